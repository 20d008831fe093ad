// SPDX-License-Identifier: Apache-2.0
// What net/http reads of a request, told in its answer. Usage: reader PORT
package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
)

func pairs(h http.Header) [][2]string {
	out := [][2]string{}
	for name, values := range h {
		for _, v := range values {
			out = append(out, [2]string{hex.EncodeToString([]byte(name)), hex.EncodeToString([]byte(v))})
		}
	}
	return out
}

func main() {
	tell := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), 599)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "target": hex.EncodeToString([]byte(r.RequestURI)), "host": r.Host,
			"headers": pairs(r.Header), "body": hex.EncodeToString(body), "trailers": pairs(r.Trailer)})
	}
	http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(tell))
}
