/* Builds a packet out of typed values and takes it apart again: no connection is needed for that.
 * In a server, on_packet gets data and data_size, and tcpkit_conn_send_packet takes what was
 * written.
 *
 *   $ values
 *   19 bytes: ac020105416c6963653ff80000000000000102
 *   player 300 Alice, online, score 1.5, items 258
 */
#include <stdio.h>
#include <tcpkit.h>

/* One look at the status is enough: the first failure stays. */
static tcpkit_status write_player(tcpkit_writer *out) {
  tcpkit_write_var_int(out, 300);
  tcpkit_write_bool(out, 1);
  tcpkit_write_string(out, "Alice");
  tcpkit_write_float64(out, 1.5);
  tcpkit_write_int16(out, 258);
  return out->status;
}

static tcpkit_status print_player(const uint8_t *data, size_t data_size) {
  tcpkit_reader in = tcpkit_reader_over_memory(data, data_size);
  int32_t id;
  uint8_t online;
  char name[32]; /* a longer one is TCPKIT_E_PACKET_TOO_BIG */
  size_t name_length;
  double score;
  int16_t items;
  tcpkit_read_var_int(&in, &id);
  tcpkit_read_bool(&in, &online);
  tcpkit_read_string(&in, name, sizeof name, &name_length);
  tcpkit_read_float64(&in, &score);
  tcpkit_read_int16(&in, &items);
  if (in.status == TCPKIT_OK) {
    printf("player %d %s, %s, score %g, items %d\n", (int)id, name, online ? "online" : "offline",
           score, items);
  }
  return in.status;
}

int main(void) {
  uint8_t packet[64];
  tcpkit_writer out = tcpkit_writer_over_memory(packet, sizeof packet);
  tcpkit_status status = write_player(&out);
  if (!status) {
    printf("%zu bytes: ", out.size);
    for (size_t i = 0; i < out.size; ++i) printf("%02x", packet[i]);
    printf("\n");
    status = print_player(packet, out.size);
  }
  if (status) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  return status != 0;
}
