// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// containerLog writes a container's output to a file, each line after the time
// it was written.
type containerLog struct {
	mu   sync.Mutex
	file *os.File
	line []byte // the incomplete last one
}

func createLog(path string) (*containerLog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return &containerLog{file: f}, err
}

func (l *containerLog) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(l.line, data...)
	end := bytes.LastIndexByte(l.line, '\n') + 1
	var out bytes.Buffer
	now := time.Now().UTC().Format(logTime)
	for line := range bytes.Lines(l.line[:end]) {
		out.WriteString(now)
		out.Write(line)
	}
	l.line = append([]byte(nil), l.line[end:]...)
	if _, err := l.file.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(data), nil
}

func (l *containerLog) Close() error {
	if len(l.line) > 0 {
		_, _ = l.Write([]byte("\n"))
	}
	return l.file.Close()
}

// logTime is the layout of the times in a log. It has a fixed width.
const logTime = "2006-01-02T15:04:05.000000000Z "

// copyLog answers a request for the log in a file.
func copyLog(w http.ResponseWriter, r *http.Request, path string) error {
	query := r.URL.Query()
	since, err := time.Parse(time.RFC3339, query.Get("sinceTime"))
	if seconds, e := strconv.Atoi(query.Get("sinceSeconds")); e == nil {
		since, err = time.Now().Add(-time.Duration(seconds)*time.Second), nil
	}
	if err != nil {
		since = time.Time{}
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()

	in := bufio.NewReader(file)
	if tail, err := strconv.Atoi(query.Get("tailLines")); err == nil {
		lines, err := countLines(file)
		if err != nil {
			return err
		}
		for range lines - tail {
			if _, err := in.ReadBytes('\n'); err != nil {
				return err
			}
		}
	}
	for {
		line, err := in.ReadBytes('\n')
		switch {
		case err == io.EOF && query.Get("follow") == "true":
			_ = http.NewResponseController(w).Flush()
			if sleep(r.Context(), 100*time.Millisecond) != nil {
				return nil
			}
			continue
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if written, err := time.Parse(logTime, string(line[:len(logTime)])); err != nil || written.Before(since) {
			continue
		}
		if query.Get("timestamps") != "true" {
			line = line[len(logTime):]
		}
		if _, err := w.Write(line); err != nil {
			return nil // the client is gone
		}
	}
}

// countLines returns the number of lines in a file, and rewinds it.
func countLines(f *os.File) (int, error) {
	data, err := io.ReadAll(f)
	if err != nil {
		return 0, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return bytes.Count(data, []byte("\n")), err
}
