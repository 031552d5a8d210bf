// Writes values as Go's encoding/binary encodes them: see README.md here.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand"
	"strings"
)

var lines []string

func fixedIn(order binary.ByteOrder, name string, value any, shown string) {
	var out bytes.Buffer
	if err := binary.Write(&out, order, value); err != nil {
		panic(err)
	}
	lines = append(lines, fmt.Sprintf("%s %s %x", name, shown, out.Bytes()))
}

func fixed(name string, value any, shown string) {
	fixedIn(binary.BigEndian, name+"_be", value, shown)
	fixedIn(binary.LittleEndian, name+"_le", value, shown)
}

func varint(name string, value int64, bits uint64) {
	lines = append(lines, fmt.Sprintf("%s %d %x", name, value, binary.AppendUvarint(nil, bits)))
}

func integers(value int64) {
	fixed("int16", int16(value), fmt.Sprint(int16(value)))
	fixed("int32", int32(value), fmt.Sprint(int32(value)))
	fixed("int64", value, fmt.Sprint(value))
	varint("var_int", int64(int32(value)), uint64(uint32(value)))
	varint("var_long", value, uint64(value))
}

func floats(value float64) {
	single := float32(value)
	fixed("float32", single, fmt.Sprintf("%08x", math.Float32bits(single)))
	fixed("float64", value, fmt.Sprintf("%016x", math.Float64bits(value)))
}

func main() {
	for _, value := range []int64{0, 1, -1, 2, 127, 128, 255, 256, 300, 16383, 16384, 25565, 32767,
		-32768, 65535, 2097151, 2097152, 268435455, 268435456, math.MaxInt32, math.MinInt32,
		1 << 35, 1<<42 - 1, 1 << 49, 1<<56 - 1, math.MaxInt64, math.MinInt64} {
		integers(value)
	}
	random := rand.New(rand.NewSource(1))
	for i := 0; i < 64; i++ {
		integers(int64(random.Uint64() >> (i % 64)))
	}
	for _, value := range []float64{0, math.Copysign(0, -1), 1, -1.5, math.Pi, 1e300, 1e-300,
		math.MaxFloat32, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		floats(value)
	}
	for i := 0; i < 32; i++ {
		floats(random.NormFloat64() * math.Pow(10, float64(i-16)))
	}
	fixed("bool", true, "1")
	fixed("bool", false, "0")
	fixed("byte", uint8(0), "0")
	fixed("byte", uint8(200), "200")
	fmt.Println(strings.Join(lines, "\n"))
}
