package signalling

import "encoding/binary"

// What a frame of the server begins with (RFC 6455 §5.2): it is final, of one kind, and not masked.
const (
	textFrame = 0x81
	pingFrame = 0x89
)

// longestHeader is how many bytes the header of a text frame has at most.
const longestHeader = 10

// appendHeader appends the header of a text frame with so many bytes.
func appendHeader(frame []byte, size int) []byte {
	frame = append(frame, textFrame)
	switch {
	case size <= 125:
		return append(frame, byte(size))
	case size <= 0xffff:
		return binary.BigEndian.AppendUint16(append(frame, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(frame, 127), uint64(size))
	}
}

// appendPing appends a ping frame without a payload.
func appendPing(frame []byte) []byte { return append(frame, pingFrame, 0) }
