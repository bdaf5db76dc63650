# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2016
# A part of cog-push: what --dry-run found out, for people.

# show COMMAND...: which shows the records of standard input; a dry run keeps them.
show() {
	if [ -n "$dry" ]; then
		{ tee "$COG_RUN_DIR/plan" 2>/dev/null || fail 1 "$COG_RUN_DIR/plan can't be written"; } | stage "$@"
	else
		stage "$@"
	fi
}

# show_plan: a line a blob and manifest, then the total. What was asked for twice comes once, also a manifest
# that gets a tag first.
show_plan() {
	[ -z "$json" ] || exit 0
	exec 7>&1
	said=$(jq -rn '
		def number: tostring | if test("[.]") then . else . + ".0" end;
		def bytes: if . < 1000 then "\(.) B" elif . < 999950 then "\(. / 100 | round / 10 | number) kB"
			elif . < 999950000 then "\(. / 100000 | round / 10 | number) MB"
			else "\(. / 100000000 | round / 10 | number) GB" end;
		def count($one): "\(.) \($one)\(if . == 1 then "" else "s" end)";
		def line: {uploaded: (if .ref then "put" else "upload" end), mounted: "mount", exists: "skip"}[.how] as $verb |
			"\($verb + "      " | .[:8])\(.digest)  \(.size | bytes)" +
			if .ref then "  \(.ref)" elif .how != "uploaded" then ""
			else "  in \(.chunks | count("chunk"))" +
				if .sentBytes < .size then ", \(.sentBytes | bytes) of it" else "" end end;
		def is_by_digest: .ref // "" | contains("@");
		def without_twins: [.[] | select(.ref and (is_by_digest | not)).digest] as $tagged |
			map(select((is_by_digest | not) or (.digest | IN($tagged[]) | not)));
		def total: map(select(.ref | not)) as $blobs | ($blobs | map(select(.how == "uploaded"))) as $sent |
			"total: \($sent | length | count("blob")) to upload, \($sent | map(.sentBytes) | add // 0 | bytes) in " +
			"\($sent | map(.chunks) | add // 0 | count("chunk")); " +
			"\($blobs | map(select(.how == "mounted")) | length) to mount, " +
			"\($blobs | map(select(.how == "exists")) | length) there already; " +
			"\(map(select(.ref and .how == "uploaded")) | length | count("manifest")) to put";
		reduce (inputs | select(.event == "plan")) as $p ({}; .["\($p.ref) \($p.digest)"] //= $p) |
		[.[]] | without_twins | (.[] | line), total' "$COG_RUN_DIR/plan" 2>&1 >&7) || fail 1 "stdout: ${said:-the plan}"
	exit 0
}
