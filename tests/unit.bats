# SPDX-License-Identifier: Apache-2.0
load helper

# bats test_tags=slow
@test "every unit test passes" {
	for source in "$ROOT"/tests/unit/*.c; do
		name=$(basename "$source" .c)
		try "${COG_TEST_UNITS:-$ROOT/build/unit}/$name"
		[ "$status" -eq 0 ] || {
			echo "failed: $name"
			return 1
		}
	done
}
