// Command go is a web endpoint that knows CGI and nothing of prismrt.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
)

func main() {
	served := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/x/", func(w http.ResponseWriter, r *http.Request) {
		served++
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("X-Tag", r.Header.Get("X-Tag"))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%d %s %s tag=%s %s", served, r.Method, r.URL, r.Header.Get("X-Tag"), body)
	})
	if err := cgi.Serve(mux); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
