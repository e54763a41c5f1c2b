// Package wire encodes what goes out over sockets and what scripts put into messages as it is.
package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// JSON encodes a value of our own types, for which encoding can't fail: their only foreign part is JSON that was parsed
// before it came here. Sockets carry no HTML, so nothing is escaped for its sake: it would make six bytes of each < that
// somebody sends to a whole room.
func JSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("wire: encoding %T: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}
