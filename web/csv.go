package web

import (
	"bytes"
	"encoding/csv"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A table for a spreadsheet may have longer pages than a list for a program.
const defaultFirstCSV, maxFirstCSV = 1000, 10_000

// wantsCSV reports whether the client asks for a table (RFC 4180) rather than JSON:
// with text/csv first among what it accepts.
func wantsCSV(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	kind, _, err := mime.ParseMediaType(first)
	return err == nil && kind == "text/csv"
}

// nextPage names the next page of what has no place for it in its body (RFC 8288).
func nextPage(w http.ResponseWriter, r *http.Request, next string) {
	if next == "" {
		return
	}
	query := r.URL.Query()
	query.Set("after", next)
	w.Header().Set("Link", "<"+(&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String()+`>; rel="next"`)
}

// csv answers with a table, whose first row says what is in each column.
func (s *server) csv(w http.ResponseWriter, rows [][]string) error {
	var body bytes.Buffer
	table := csv.NewWriter(&body)
	table.UseCRLF = true
	if err := table.WriteAll(rows); err != nil {
		return err
	}
	s.writeBytes(w, http.StatusOK, "text/csv; charset=utf-8; header=present", body.Bytes())
	return nil
}

// asText keeps spreadsheets from taking what a streamer has written for a formula. In some languages, those take the wide
// forms of its signs for the signs.
func asText(cell string) string {
	if strings.IndexAny(cell, "=+-@\t\r\n＝＋－＠") == 0 {
		return "'" + cell
	}
	return cell
}

func recordTable(records []Record) [][]string {
	rows := [][]string{{
		"id", "streamer", "streamer_name", "room", "state", "title", "category", "language", "tags", "started_at", "ended_at", "reason",
		"peak_viewers", "unique_viewers", "watch_seconds",
	}}
	for _, r := range records {
		ended := ""
		if r.EndedAt != nil {
			ended = textOf(*r.EndedAt)
		}
		rows = append(rows, []string{
			r.ID, asText(r.Streamer.ID), asText(r.Streamer.Name), asText(r.Room), string(r.State), asText(r.Title), asText(r.Category), asText(r.Language),
			asText(strings.Join(r.Tags, " ")), textOf(r.StartedAt), ended, string(r.Reason),
			countOf(r.PeakViewers), countOf(r.UniqueViewers), countOf(r.WatchSeconds),
		})
	}
	return rows
}

func viewerTable(samples []ViewerSample) [][]string {
	rows := [][]string{{"at", "viewers"}}
	for _, s := range samples {
		rows = append(rows, []string{textOf(s.At), strconv.Itoa(s.Viewers)})
	}
	return rows
}

func textOf(t Time) string {
	text, _ := t.MarshalText() // never fails
	return string(text)
}

// countOf leaves a cell empty for what nobody counted.
func countOf(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}
