package signalling

import (
	"encoding/binary"

	"github.com/coder/websocket"
)

// What a frame of the server begins with (RFC 6455 §5.2): it is final, of one kind, and not masked.
const (
	textFrame  = 0x81
	pingFrame  = 0x89
	pongFrame  = 0x8a
	closeFrame = 0x88
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

// appendPong appends the answer to a ping with this payload, of 125 bytes at most.
func appendPong(frame, payload []byte) []byte {
	return append(append(frame, pongFrame, byte(len(payload))), payload...)
}

// appendClose appends a close frame (RFC 6455 §5.5.1); the reason has 123 bytes at most.
func appendClose(frame []byte, code websocket.StatusCode, reason string) []byte {
	frame = append(frame, closeFrame, byte(2+len(reason)))
	return append(binary.BigEndian.AppendUint16(frame, uint16(code)), reason...)
}

// reasonIn returns the reason that a close frame of the server gives.
func reasonIn(frame []byte) []byte { return frame[min(len(frame), 4):] }

// pongIn returns how long the pong is with which these bytes begin; 0: they do not begin with a whole one. A pong of a
// client is masked, and has 125 bytes at most (RFC 6455 §5.5).
func pongIn(b []byte) int {
	const masked, most, header = 0x80, 125, 6
	if len(b) < header || b[0] != pongFrame || b[1]&masked == 0 {
		return 0
	}
	if n := int(b[1] &^ masked); n <= most && header+n <= len(b) {
		return header + n
	}
	return 0
}
