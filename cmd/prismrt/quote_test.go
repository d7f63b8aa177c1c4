package main_test

import (
	"net/http"
	"testing"
)

// A typed handler in C++, with a JSON library that knows nothing of prismrt.
func TestATypedHandlerInCppTellsWhereItsInputIsWrong(t *testing.T) {
	module := example(sdks + "/c/examples/quote").module(t)
	s := start(t, t.TempDir())
	s.upload("quote", module)
	for range 2 { // a call that ended in the middle leaves nothing behind
		s.says("quote", `{"lines":[{"name":"tea","price_cents":350,"count":2}],"voucher":"TENTH"}`, `{"pieces":2,"total_cents":630}`)
		for input, want := range map[string]string{
			`{"lines":[{"name":"tea","price_cents":"x","count":2}]}`: "(/lines/0/price_cents) type must be number, but is string",
			`{"lines":[{"name":"tea","count":2}]}`:                   "(/lines/0) key 'price_cents' not found",
			`{"lines":[`:                                             "the input: it is not JSON",
			`{"voucher":"X"}`:                                        "there is no voucher X",
		} {
			s.fails(http.StatusUnprocessableEntity, "guest", want, "POST", "/v1/plugins/quote/invoke", []byte(input))
		}
	}
}
