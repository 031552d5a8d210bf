// Command tls_client is a client of crypto/tls for the tests of interoperation. It connects COUNT
// times on PARALLEL goroutines, compares an echo of BYTES random bytes, and prints one line for
// each connection: version, cipher suite, protocol, whether it resumed, name in the certificate.
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	address  = flag.String("address", "", "HOST:PORT to connect to")
	root     = flag.String("root", "", "file of the certificate to trust")
	host     = flag.String("host", "", "name that the certificate must be for")
	version  = flag.String("version", "", "1.2 or 1.3")
	suite    = flag.String("suite", "", "cipher suite of TLS 1.2")
	alpn     = flag.String("alpn", "", "protocols, comma-separated")
	cert     = flag.String("cert", "", "chain of a certificate of the client")
	key      = flag.String("key", "", "its key")
	size     = flag.Int("bytes", 1024, "bytes to be echoed")
	piece    = flag.Int("piece", 1<<20, "bytes of one write")
	count    = flag.Int("count", 1, "connections")
	parallel = flag.Int("parallel", 1, "connections at once")
	resume   = flag.Bool("resume", false, "keep sessions")
	until    = flag.String("until", "", "go on until this file is there")
	pause    = flag.Duration("pause", 0, "after each connection, of its goroutine")
	timeout  = flag.Duration("timeout", 10*time.Second, "for one connection")
)

func settings() (*tls.Config, error) {
	pem, err := os.ReadFile(*root)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: *host, RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(pem)
	numbers := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	config.MinVersion, config.MaxVersion = numbers[*version], numbers[*version]
	for _, known := range tls.CipherSuites() {
		if known.Name == *suite {
			config.CipherSuites = []uint16{known.ID}
		}
	}
	if *alpn != "" {
		config.NextProtos = strings.Split(*alpn, ",")
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if *resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	return config, nil
}

func send(client *tls.Conn, data []byte) error {
	for len(data) > 0 {
		written, err := client.Write(data[:min(*piece, len(data))])
		if err != nil {
			return err
		}
		data = data[written:]
	}
	return client.CloseWrite() // close_notify; what was sent must still come back
}

// talk fails unless every byte comes back and then close_notify, which crypto/tls tells from a bare
// end.
func talk(config *tls.Config, data []byte) (string, error) {
	dialer := net.Dialer{Timeout: *timeout}
	client, err := tls.DialWithDialer(&dialer, "tcp", *address, config)
	if err != nil {
		return "", err
	}
	defer client.Close()
	if err := client.SetDeadline(time.Now().Add(*timeout)); err != nil {
		return "", err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(client, data) }()
	received, err := io.ReadAll(client)
	if err = errors.Join(err, <-sent); err != nil {
		return "", err
	}
	if !bytes.Equal(received, data) {
		return "", fmt.Errorf("%d bytes came back, not the %d sent", len(received), len(data))
	}
	state := client.ConnectionState()
	return fmt.Sprintf("%s %s alpn=%s resumed=%t name=%s", tls.VersionName(state.Version),
		tls.CipherSuiteName(state.CipherSuite), state.NegotiatedProtocol, state.DidResume,
		state.PeerCertificates[0].Subject.CommonName), nil
}

func done(number int) bool {
	if number < *count {
		return false
	}
	if *until == "" {
		return true
	}
	_, err := os.Stat(*until)
	return err == nil
}

func run() error {
	config, err := settings()
	if err != nil {
		return err
	}
	data := make([]byte, *size)
	if _, err := rand.Read(data); err != nil {
		return err
	}
	var lock sync.Mutex
	var group sync.WaitGroup
	started, failure := 0, error(nil)
	next := func() bool {
		lock.Lock()
		defer lock.Unlock()
		started++
		return failure == nil && !done(started-1)
	}
	for range make([]struct{}, *parallel) {
		group.Add(1)
		go func() {
			defer group.Done()
			for next() {
				line, err := talk(config, data)
				lock.Lock()
				if err == nil {
					fmt.Println(line)
				} else {
					failure = errors.Join(failure, err)
				}
				lock.Unlock()
				time.Sleep(*pause)
			}
		}()
	}
	group.Wait()
	return failure
}

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
