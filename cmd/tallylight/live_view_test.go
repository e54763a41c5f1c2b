package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tallylight/tallylight/presence"
	"github.com/tallylight/tallylight/web"
)

func TestScreen(t *testing.T) {
	now := time.Now()
	v := &screenView{look: look{terminal: os.Stdout, colour: true}, sort: "viewers"}
	var out bytes.Buffer
	v.out = &out
	rows := []web.Row{liveRow("alice", 3), liveRow("bob", 9)}
	rows[0].State = presence.StateReconnecting
	rows[1].Title = "evil \x1b]0;title\a\u202e" + strings.Repeat("x", 100)
	_ = v.snapshot(web.LivePage{Data: rows})
	if err := v.draw(now, 60, 24); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{"\x1b[2J", "2 live", "\x1b[31m● \x1b[0mlive", "\x1b[33m● \x1b[0mreconnecting", "evil ]0;"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%q", want, got)
		}
	}
	if strings.Index(got, "BOB") > strings.Index(got, "ALICE") || strings.ContainsAny(got, "\a\u202e") {
		t.Errorf("wrong order, or a title obeyed:\n%q", got)
	}
	for i := range 30 {
		_ = v.change(web.LiveChange{Event: presence.LiveStarted, Row: liveRow(fmt.Sprint("s", i), i)})
	}
	_ = v.change(web.LiveChange{Event: presence.LiveEnded, Row: rows[0]})
	_ = v.viewers(web.LiveViewers{Data: []web.BroadcastViewers{{Broadcast: "b-bob", Viewers: 77}}})
	_ = v.connection(io.ErrUnexpectedEOF)
	out.Reset()
	if err := v.draw(now, 60, 10); err != nil {
		t.Fatal(err)
	}
	got = out.String()
	if n := strings.Count(got, "\n"); n != 9 || !strings.Contains(got, "… and 25 more") || !strings.Contains(got, "DISCONNECTED") || strings.Contains(got, "ALICE") || !strings.Contains(got, "77") {
		t.Errorf("got %d lines:\n%s", n, got)
	}
	for line := range strings.Lines(got) {
		if plain := stripColour(line); len([]rune(plain)) > 60 {
			t.Errorf("a line of %d would wrap: %q", len([]rune(plain)), plain)
		}
	}
}

func stripColour(s string) string {
	for _, code := range []string{"\x1b[31m", "\x1b[33m", "\x1b[0m", "\x1b[K", "\x1b[H", "\x1b[J", "\n"} {
		s = strings.ReplaceAll(s, code, "")
	}
	return s
}
