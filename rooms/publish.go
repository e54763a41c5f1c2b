package rooms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tallylight/tallylight/auth"
	"github.com/tallylight/tallylight/internal/wire"
)

// EventChat is the event of a line of chat.
const EventChat = "chat"

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
)

// ChatData is the data of a chat event: plain text, to be shown as text.
type ChatData struct {
	Text string `json:"text"`
}

var customEvent = regexp.MustCompile(`^x\.[A-Za-z0-9._-]{1,62}$`)

// ActionOf returns what a sender must be allowed to do to publish the event.
func ActionOf(event string) auth.Action {
	if event == EventChat {
		return auth.ActionChat
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
	case customEvent.MatchString(event):
		return checkCustom(data)
	}
	return nil, &Refusal{CodeBadRequest, fmt.Sprintf("event %.40q can't be published; use chat, or x.<name> with up to 62 of A-Z a-z 0-9 . _ -", event)}
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
