package storetest_test

import (
	"testing"

	"github.com/marketprism/prismrt/runtime/store/storetest"
	"github.com/marketprism/prismrt/runtime/store/volatile"
)

func TestVolatile(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Store { return volatile.New() })
}
