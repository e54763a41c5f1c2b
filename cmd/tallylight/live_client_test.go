package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestReadEvents(t *testing.T) {
	const stream = ": comment\n\nid: 1\r\nevent: a\r\ndata: x\r\ndata:y\r\n\r\nid: 2\nevent: empty\n\ndata\nunknown: z\n\nid: 3\nevent: cut\ndata: off"
	var got []string
	err := readEvents(strings.NewReader(stream), func() {}, func(e serverEvent) error {
		got = append(got, fmt.Sprintf("%s/%s/%s", e.id, e.name, e.data))
		return nil
	})
	if want := []string{"1/a/x\ny"}; !slices.Equal(got, want) || err == nil {
		t.Errorf("got %q, %v, want %q and the end", got, err, want)
	}
}
