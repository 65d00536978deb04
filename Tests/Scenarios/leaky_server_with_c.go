// SPDX-License-Identifier: MIT

// Linked by the C compiler's linker, when it is built beside leaky_server.go.
package main

// static int one(void) { return 1; }
import "C"

var _ = C.one()
