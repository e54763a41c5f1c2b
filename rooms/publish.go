package rooms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/wire"
	"github.com/tallylight/tallylight/presence"
)

const (
	// EventChat is the event of a line of chat.
	EventChat = "chat"
	// EventReaction is what is published like an event, but is none: reactions are
	// added up, and have no position.
	EventReaction = "reaction"
)

// The events of moderation, which nobody can publish.
const (
	EventChatDeleted   = "chat.deleted"
	EventMemberMuted   = "member.muted"
	EventMemberUnmuted = "member.unmuted"
	EventMemberBanned  = "member.banned"
	EventRoomUpdated   = "room.updated"
)

// Limits of what may be published.
const (
	MaxChatRunes = 500
	MaxDataBytes = 8 << 10
	MaxKindBytes = 32 // of a reaction: an emoji of a whole family has 25
)

// ChatData is the data of a chat event: plain text, to be shown as text.
type ChatData struct {
	Text string `json:"text"`
}

// ReactionData is the data of a reaction.
type ReactionData struct {
	Kind string `json:"kind"`
}

var customEvent = regexp.MustCompile(`^x\.[A-Za-z0-9._-]{1,62}$`)

// noteOf returns what is noted of an event, which lua/publish.lua makes as well:
// what members get of it, but for what the note has anyway.
func noteOf(e *Event) presence.Note {
	return presence.Note{Kind: presence.NoteChat, Room: e.Room, Data: wire.JSON(struct {
		Position
		From *Sender         `json:"from,omitempty"`
		At   presence.Millis `json:"at"`
		Data json.RawMessage `json:"data"`
	}{e.Position, e.From, e.At, e.Data})}
}

// notesKept is how many notes there may be if this one is to be added to them.
func (p Publication) notesKept() int {
	if p.Noted {
		return presence.NotesKept
	}
	return 0
}

// ActionOf returns what a sender must be allowed to do to publish the event.
func ActionOf(event string) auth.Action {
	switch event {
	case EventChat:
		return auth.ActionChat
	case EventReaction:
		return auth.ActionReact
	}
	return auth.Action(event)
}

// Check returns the data of a publication as everybody will receive it, or a
// *Refusal. Nothing about event and data is trusted.
func Check(event string, data []byte) ([]byte, error) {
	switch {
	case len(data) > MaxDataBytes:
		return nil, &Refusal{CodeTooLarge, fmt.Sprintf("data has %d bytes; an event carries at most %d", len(data), MaxDataBytes)}
	case !utf8.Valid(data):
		// encoding/json lets it through, and browsers drop a socket over a text
		// frame that is not UTF-8 (RFC 6455 §8.1).
		return nil, &Refusal{CodeBadRequest, "data is not UTF-8"}
	case event == EventChat:
		return checkChat(data)
	case event == EventReaction:
		return checkReaction(data)
	case customEvent.MatchString(event):
		return checkCustom(data)
	}
	return nil, &Refusal{CodeBadRequest, fmt.Sprintf("event %.40q can't be published; use chat, reaction, or x.<name> with up to 62 of A-Z a-z 0-9 . _ -", event)}
}

func checkChat(data []byte) ([]byte, error) {
	var chat ChatData
	if err := json.Unmarshal(data, &chat); err != nil {
		return nil, &Refusal{CodeBadRequest, `chat needs data {"text": "…"}`}
	}
	if strings.TrimSpace(chat.Text) == "" {
		return nil, &Refusal{CodeBadRequest, "text is empty"}
	}
	if n := utf8.RuneCountInString(chat.Text); n > MaxChatRunes {
		return nil, &Refusal{CodeTooLarge, fmt.Sprintf("text has %d characters; chat takes at most %d", n, MaxChatRunes)}
	}
	return wire.JSON(chat), nil
}

func checkReaction(data []byte) ([]byte, error) {
	var reaction ReactionData
	if err := json.Unmarshal(data, &reaction); err != nil {
		return nil, &Refusal{CodeBadRequest, `a reaction needs data {"kind": "…"}`}
	}
	if n := len(reaction.Kind); n == 0 || n > MaxKindBytes {
		return nil, &Refusal{CodeBadRequest, fmt.Sprintf("kind has %d bytes; it must have 1 to %d", n, MaxKindBytes)}
	}
	if strings.ContainsFunc(reaction.Kind, noneOfAKind) {
		return nil, &Refusal{CodeBadRequest, "kind has white space, a control character, or half a surrogate pair"}
	}
	return wire.JSON(reaction), nil
}

// noneOfAKind reports whether a kind of reaction may not contain the character.
// Joiners and variation selectors, which emoji are made with, are no controls.
func noneOfAKind(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || r == utf8.RuneError
}

func checkCustom(data []byte) ([]byte, error) {
	if len(data) == 0 {
		return []byte("{}"), nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return nil, &Refusal{CodeBadRequest, "data is not JSON"}
	}
	return compact.Bytes(), nil
}
