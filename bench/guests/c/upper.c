/* About the least that a guest can do: it answers with its input in capitals, piece by piece. */
#include "prism.h"

static char piece[4096];

PRISM_EXPORT("handle") int32_t handle(void) {
	int32_t length = sizeof piece;
	for (uint32_t offset = 0; length == sizeof piece; offset += (uint32_t)length) {
		length = prism_host_input_read(piece, offset, sizeof piece);
		if (length < 0) {
			return prism_fail("the input cannot be read");
		}
		for (int32_t i = 0; i < length; i++) {
			if (piece[i] >= 'a' && piece[i] <= 'z') {
				piece[i] = (char)(piece[i] - 'a' + 'A');
			}
		}
		prism_write(piece, (size_t)length);
	}
	return 0;
}
