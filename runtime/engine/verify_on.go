//go:build verify

package engine

// verify compares all of a rewound instance with its image. A difference would be
// one caller's state in another's call.
func verify(i *Instance) {
	if what := i.differs(); what != "" {
		panic("engine: a rewound guest is not as its image: " + what)
	}
}
