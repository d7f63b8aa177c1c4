package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/marketprism/prismrt/sdk/client"
)

func ExampleClient_Call() {
	server := httptest.NewServer(http.HandlerFunc(shout)) // stands for a server with a plugin "shout"
	defer server.Close()
	ctx := context.Background()

	c, err := client.New(server.URL, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := c.Call(ctx, "shout", []byte("hello"), client.CallOptions{Timeout: 500 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, version %d ran for %v\n", result.Output, result.Version, result.Timing["run"])

	_, err = c.Call(ctx, "shout", nil, client.CallOptions{})
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Kind == client.KindGuest {
		fmt.Println("the plugin refused:", p.Detail)
	}
	// Output:
	// HELLO, version 1 ran for 250µs
	// the plugin refused: nothing to shout
}

// shout answers as the server does for a plugin that puts "hello" in capitals.
func shout(w http.ResponseWriter, r *http.Request) {
	input, _ := io.ReadAll(r.Body)
	if len(input) == 0 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `{"status":422,"kind":"guest","detail":"nothing to shout","plugin":"shout","version":1}`)
		return
	}
	w.Header().Set("Prism-Version", "1 9f2c1a7b3d4e")
	w.Header().Set("Server-Timing", "pool;dur=0.010, run;dur=0.250")
	io.WriteString(w, "HELLO")
}
