# SPDX-License-Identifier: Apache-2.0
# What a person sees: cog-progress and cog-push on a terminal.
load helper
load records
load terminal

setup() {
	own_world
	mkfifo input
	exec 8<>input
}

teardown() {
	close_terminal
	exec 8>&-
	end_servers
}

is_read() {
	local process
	for process in $(on_terminal '.*'); do
		[ ! "/proc/$process/fd/0" -ef input ] || return 0
	done
	return 1
}

# view [OPTION...]: cog-progress on the terminal reads what is written to descriptor 8, until it is closed here.
view() {
	enter "cog-progress $* <input"
	wait_for 20 is_read # else there is nobody at the other end for a moment
	exec 9>input 8>&-
	exec 8>&9 9>&-
}

# feed: what comes on stdin goes to cog-progress at once, so that no frame is in between.
feed() {
	cat >fed
	cat fed >&8
}

many() { # FROM TO
	local n
	for n in $(seq "$1" "$2"); do
		blob "$n" 1000000
	done
}

@test "80x24: each blob is a line with its state, a bar, bytes, rate and time left, and the whole comes last" {
	open_terminal 80 24
	view
	{
		blob aaaaaaaaaaaa 456700000
		blob bbbbbbbbbbbb 2000000
		blob cccccccccccc 3400000
		blob dddddddddddd 1200000
		blob eeeeeeeeeeee 999
		blob ffffffffffff 4000000
		blob 123456123456 2771 config
		progress aaaaaaaaaaaa 456700000 123400000 12300000
		retry bbbbbbbbbbbb 2 4000000
		finished cccccccccccc 3400000 uploaded 3400000 1200
		finished dddddddddddd 1200000 exists
		finished eeeeeeeeeeee 999 mounted
		convert "layers/one.tar" 30000000 40000000 777777777777
	} | feed
	shows_soon '$ cog-progress  <input
aaaaaaaaaaaa pushing    [===>         ] 123.4 MB/456.7 MB   12.3 MB/s     28s
bbbbbbbbbbbb retrying in 1h06m (2/5)           0 B/2.0 MB
cccccccccccc done                                  3.4 MB
dddddddddddd exists                                1.2 MB
eeeeeeeeeeee mounted                                999 B
ffffffffffff waiting                               4.0 MB
123456123456 waiting                               2.8 kB
777777777777 converting [=========>   ]   30.0 MB/40.0 MB
total: 3 of 7 layers, 128.0 MB of 467.3 MB, 12.3 MB/s'
	# Of what is converted there is nothing left: now it is known how much there is.
	{
		blob 777777777777 10000000
		image 1 linux/amd64
	} | feed
	has_line_soon 'total: 3 of 7 layers, 128.0 MB of 477.3 MB, 12.3 MB/s, 29s left'
}

@test "a file of a weight is shown while it is hashed, until something else goes on" {
	open_terminal 80 24
	view
	hashing a/config.json 10 20 | feed
	shows_soon '$ cog-progress  <input
config.json  hashing    [======>      ]         10 B/20 B'
	hashing a/model-00001-of-00002.safetensors 1000000000 4000000000 | feed
	shows_soon '$ cog-progress  <input
model-00001-of-0000 hashing    [=>    ]     1.0 GB/4.0 GB'
	blob aaaaaaaaaaaa 1000000 | feed
	shows_soon '$ cog-progress  <input
aaaaaaaaaaaa waiting                               1.0 MB
total: 0 of 1 layer, 0 B of 1.0 MB'
}

@test "40x10: what does not fit is left out, columns as well as lines" {
	open_terminal 40 10
	view
	{
		many 10 29
		progress 10 1000000 250000 1000
		progress 11 1000000 500000 1000
		retry 12 3 4000000
		finished 13 1000000 uploaded 1000000 10
		finished 14 1000000 exists
		finished 15 1000000 mounted
	} | feed
	shows_soon '$ cog-progress  <input
100000000000 pushing    [=>     ]  25%
110000000000 pushing    [===>   ]  50%
120000000000 retrying in 1h06m (3/5)
others: 1 done, 1 exist, 1 mounted
total: 3 of 20 layers, 18%, 2.0 kB/s'
	exec 8>&-
	# No manifest was put: it has not come to its end.
	shows_soon '$ cog-progress  <input
already in the registry: 3 blobs, 3.0 MB
$'
}

# bats test_tags=slow
@test "60 layers: the active ones and how many the others are, never more lines than there are" {
	open_terminal 80 24
	view
	{
		many 10 69
		for n in $(seq 10 29); do finished "$n" 1000000 uploaded 1000000 10; done
		for n in 30 31 32 33; do progress "$n" 1000000 500000 0; done
	} | feed
	shows_soon '$ cog-progress  <input
300000000000 pushing    [======>      ]   500.0 kB/1.0 MB
310000000000 pushing    [======>      ]   500.0 kB/1.0 MB
320000000000 pushing    [======>      ]   500.0 kB/1.0 MB
330000000000 pushing    [======>      ]   500.0 kB/1.0 MB
others: 20 done, 36 waiting
total: 20 of 60 layers, 22.0 MB of 60.0 MB'
	# More at work than there is room for.
	for n in $(seq 34 69); do progress "$n" 1000000 500000 0; done | feed
	has_line_soon 'others: 19 more at work, 20 done'
	screen >lines
	[ "$(wc -l <lines)" -eq 23 ]
	[ "$(head -n 1 lines | cut -c 1-20)" = "300000000000 pushing" ]
	[ "$(tail -n 1 lines)" = "total: 20 of 60 layers, 40.0 MB of 60.0 MB" ]
	[ "$(cursor)" = "0 23 1" ]
	# Nothing has scrolled away but the command.
	[ "$(terminal display-message -p '#{history_size}')" -eq 1 ]
	{
		for n in $(seq 30 69); do finished "$n" 1000000 exists; done
		manifest abcabcabcabc "localhost:5000/a/b:v1"
		phase 'done'
	} | feed
	exec 8>&-
	has_line_soon '  layers: 20 new, 40 existing, 0 mounted'
	screen -J | sed 's/ in .*/ in a time/' >lines
	diff lines - <<-END
		localhost:5000/a/b@$(digest_of abcabcabcabc)
		  tags: v1
		  layers: 20 new, 40 existing, 0 mounted
		  sent: 20.0 MB of 60.0 MB in a time
		$
	END
}

@test "a resize in the middle: the next frame fits, and nothing of the last is left" {
	open_terminal 80 24
	enter 'seq 3'
	wait_for 10 has_line 3
	view
	{
		many 10 13
		progress 10 1000000 250000
	} | feed
	local above=$'$ seq 3\n1\n2\n3\n$ cog-progress  <input'
	local wide="100000000000 pushing    [===>         ]   250.0 kB/1.0 MB
110000000000 waiting                               1.0 MB
120000000000 waiting                               1.0 MB
130000000000 waiting                               1.0 MB
total: 0 of 4 layers, 250.0 kB of 4.0 MB"
	shows_soon "$above
$wide"
	resize 30 24
	# tmux keeps the cursor where it is and moves what is above it.
	shows_soon "100000000000 pushing     25%
110000000000 waiting
120000000000 waiting
130000000000 waiting
total: 0 of 4 layers, 6%"
	resize 80 24
	shows_soon "$wide"
	[ "$(screen -S -)" = "$above"$'\n'"$wide" ]
	# Lower than what is there.
	resize 80 4
	has_line_soon 'others: 3 waiting'
	shows_soon "100000000000 pushing    [===>         ]   250.0 kB/1.0 MB
others: 3 waiting
total: 0 of 4 layers, 250.0 kB of 4.0 MB"
	resize 100 24
	has_line_soon '130000000000 waiting .* 1.0 MB'
	[ "$(screen | grep -c '^total: ')" -eq 1 ]
}

# tmux tells the size of a pane a quarter of a second late when it changes again so soon.
@test "frames that are drawn before a narrower terminal says its size leave nothing behind" {
	open_terminal 80 24
	enter 'seq 14'
	wait_for 10 has_line 14
	view
	many 10 13 | feed
	has_line_soon 'total: 0 of 4 layers, 0 B of 4.0 MB'
	resize 70 24
	resize 40 24
	for n in $(seq 20); do
		progress 10 1000000 "$((n * 10000))" >&8
		sleep 0.05
	done
	has_line_soon 'total: 0 of 4 layers, 5%'
	shows_soon "$(seq 4 14)
\$ cog-progress  <input
100000000000 pushing    [=>     ]  20%
110000000000 waiting
120000000000 waiting
130000000000 waiting
total: 0 of 4 layers, 5%"
}

@test "in a terminal that cuts lines off when it becomes narrower nothing above the bars is erased" {
	local kind rows
	for kind in XTERM_VERSION=x:5 TERM=linux:5 TERM=xterm:10; do
		rows=${kind#*:}
		open_terminal 80 24
		terminal pipe-pane 'cat >written'
		enter "cat input | env -u TMUX ${kind%:*} cog-progress"
		many 10 13 | feed
		has_line_soon 'total: 0 of 4 layers, 0 B of 4.0 MB'
		resize 30 24
		has_line_soon 'total: 0 of 4 layers, 0%'
		wait_for 10 grep -q "0%" written
		[ "$(grep -o $'\033\\[[0-9]*A' written | head -n 1)" = $'\033['"${rows}A" ]
		close_terminal
	done
}

@test "a try that is to come counts down, and ends when the upload goes on" {
	open_terminal 80 24
	view
	{
		blob aa 1000000
		retry aa 2 4000
	} | feed
	has_line_soon 'aa0000000000 retrying in 4 s (2/5)  *0 B/1.0 MB'
	has_line_soon 'aa0000000000 retrying in 3 s (2/5)  *0 B/1.0 MB'
	progress aa 1000000 500000 >&8
	has_line_soon 'aa0000000000 pushing .*'
	# Of the registry itself: its line goes when something goes on.
	retry '' 1 4000000 >&8
	has_line_soon 'registry     retrying in 1h06m (1/5)'
	phase pushing >&8
	shows_soon '$ cog-progress  <input
aa0000000000 pushing    [======>      ]   500.0 kB/1.0 MB
total: 0 of 1 layer, 500.0 kB of 1.0 MB'
}

@test "messages go above the bars, in their order, and stay" {
	open_terminal 60 12
	view --messages
	{
		echo "one: warning: a line that is longer than the terminal is wide, which the terminal breaks"
		blob aa 1000000
	} | feed
	has_line_soon 'total: .*'
	echo "two: another" >&8
	shows_soon '$ cog-progress --messages <input
one: warning: a line that is longer than the terminal is wid
e, which the terminal breaks
two: another
aa0000000000 waiting                1.0 MB
total: 0 of 1 layer, 0 B of 1.0 MB'
	exec 8>&-
	shows_soon '$ cog-progress --messages <input
one: warning: a line that is longer than the terminal is wid
e, which the terminal breaks
two: another
$'
}

@test "wide characters are cut by columns, and what is no text for a terminal is replaced" {
	open_terminal 80 24
	view
	{
		convert '一二三四五六七八九十一二三四五六' 1 2
		image 1
		convert 'folder/\u001b[2J\u202eab' 1 2
	} | feed
	shows_soon '$ cog-progress  <input
?[2J?ab      converting [======>      ]           1 B/2 B
total: 0 of 1 layer, 0 B of 0 B'
	convert '一二三四五六七八九十一二三四五六' 1 2 >&8
	shows_soon '$ cog-progress  <input
?[2J?ab            converting [===>   ]           1 B/2 B
一二三四五六七八九 converting [===>   ]           1 B/2 B
total: 0 of 2 layers, 0 B of 0 B'
	resize 40 24
	has_line_soon '一二三四五六 converting \[===>   \]  50%'
	resize 23 24
	has_line_soon '一二三四五  converting'
	resize 12 24
	has_line_soon '一  convert'
}

@test "where the locale is not UTF-8, what is not ASCII is a question mark" {
	open_terminal 80 24
	enter 'LC_ALL=C'
	view
	convert 'naïve' 1 2 >&8
	has_line_soon 'na?ve        converting .*'
}

@test "colors, but none with NO_COLOR" {
	open_terminal 80 24
	view
	finished aa 1 exists >&8
	has_line_soon 'aa0000000000 exists .*'
	terminal capture-pane -pe | grep -q $'\e\\[32mexists'
	exec 8>&-
	has_line_soon 'already .*'
	exec 8<>input
	enter 'clear; export NO_COLOR=1'
	shows_soon '$'
	view
	finished aa 1 exists >&8
	has_line_soon 'aa0000000000 exists .*'
	[ "$(terminal capture-pane -pe | grep -c $'\e')" -eq 0 ]
}

@test "TERM=dumb: lines that are not drawn in place" {
	open_terminal 80 24
	enter 'TERM=dumb'
	view
	{
		finished aa 1 exists
		finished bb 1 exists
	} | feed
	shows_soon '$ TERM=dumb
$ cog-progress  <input
sha256:aa0000000000  1 B  exists
sha256:bb0000000000  1 B  exists'
	exec 8>&-
	has_line_soon 'already in the registry: 2 blobs, 2 B'
}

is_empty() {
	[ -z "$(ls -A "$1")" ]
}

gone_from_terminal() {
	! on_terminal "$1"
}

# ends_well KEY-OR-SIGNAL: cog-progress behind another program; a key gets to both.
ends_well() {
	open_terminal 80 24
	enter 'stty -a >before'
	enter 'cat input | cog-progress; stty -a >after'
	progress aa 1000000 500000 >&8
	has_line_soon 'total: .*'
	[ "$(cursor)" = "0 4 1" ]
	case $1 in
	C-*) press "$1" ;;
	*)
		kill -"$1" "$(on_terminal cog-progress)"
		wait_for 10 gone_from_terminal cog-progress
		echo >&8 # cat finds out
		;;
	esac
	wait_for 10 test -s after
	wait_for 10 at_prompt
	diff before after
	[ "$(cursor | cut -d ' ' -f 1,3)" = "2 1" ]
}

@test "Ctrl-C: the bars go, the terminal is as it was" {
	ends_well C-c
	shows_soon '$ stty -a >before
$ cat input | cog-progress; stty -a >after
$'
}

# bats test_tags=native
@test "Ctrl-\\, kill -9: the terminal is as it was, and what comes next has a line of its own" {
	for how in 'C-\' KILL; do
		rm -f before after
		ends_well "$how"
		screen | sed '/Quit$/d; /Killed$/d' | tail -n 3 >lines
		diff - lines <<-'END'
			aa0000000000 pushing    [======>      ]   500.0 kB/1.0 MB
			total: 0 of 1 layer, 500.0 kB of 1.0 MB
			$
		END
		close_terminal
	done
}

# bats test_tags=native
@test "Ctrl-Z leaves the bars as they are, and after fg they go on below" {
	open_terminal 80 24
	view
	progress aa 1000000 500000 >&8
	has_line_soon 'total: .*'
	press C-z
	has_line_soon '.*Stopped.*'
	has_line_soon '\$' # the shell's
	sleep 0.6 # who types takes longer than STOPPED_MS
	progress aa 1000000 750000 >&8
	enter fg
	has_line_soon 'total: 0 of 1 layer, 750.0 kB of 1.0 MB'
	# The shell says what it stops and starts again.
	screen | grep -v -e Stopped -e 'cog-progress 0\?<' >lines
	diff - lines <<-'END'
		$ cog-progress  <input
		aa0000000000 pushing    [======>      ]   500.0 kB/1.0 MB
		total: 0 of 1 layer, 500.0 kB of 1.0 MB
		$ fg
		aa0000000000 pushing    [=========>   ]   750.0 kB/1.0 MB
		total: 0 of 1 layer, 750.0 kB of 1.0 MB
	END
}

@test "a terminal that is held with Ctrl-S does not hold the push" {
	open_terminal 80 24
	view --tee ">passed"
	progress aa 1000000 500000 >&8
	has_line_soon 'total: .*'
	press C-s
	for n in 1 2 3 4 5; do
		progress aa 1000000 "60000$n" >&8
		wait_for 10 grep -q "60000$n" passed
		sleep 0.15 # so that there are frames in between
	done
	[ "$(screen | grep -c ' 600')" -eq 0 ]
	press C-q
	has_line_soon 'total: 0 of 1 layer, 600.0 kB of 1.0 MB'
}

# --- cog-push ------------------------------------------------------------------------------------

# A tar with a layer of noise, which takes its time.
make_tar() {
	oci-from-dockertar -f "$DATA/docker20.tar" L >/dev/null
	head -c 3000000 /dev/urandom >noise
	oci-from-files --artifact-type a/b --tag noise:1 L noise:a/b >/dev/null
}

@test "cog-push shows bars, then what was published, then the reference by digest" {
	start_registry --throttle 400000
	make_tar
	open_terminal 100 24
	enter "cog-push -i noise:1 ./L $REGISTRY/a/b:v1"
	has_line_soon '[0-9a-f]\{12\} pushing .*MB/3.0 MB .*'
	has_line_soon '  sent: 3.0 MB of 3.0 MB in .*s, .*/s'
	wait_for 10 at_prompt
	screen | sed 's/ in .*/ in a time/; s/sha256:[0-9a-f]*/DIGEST/' >lines
	diff - lines <<-END
		\$ cog-push -i noise:1 ./L $REGISTRY/a/b:v1
		$REGISTRY/a/b@DIGEST
		  tags: v1
		  layers: 1 new, 0 existing, 0 mounted
		  sent: 3.0 MB of 3.0 MB in a time
		$REGISTRY/a/b@DIGEST
		\$
	END
}

# bats test_tags=slow
@test "Ctrl-C in the middle of cog-push: no bars, the cause, the terminal as it was" {
	start_registry --throttle 100000
	make_tar
	open_terminal 100 24
	enter 'stty -a >before'
	enter "cog-push -i noise:1 ./L $REGISTRY/a/b:v1; stty -a >after"
	has_line_soon '[0-9a-f]\{12\} pushing .*/3.0 MB .*'
	press C-c
	wait_for 20 test -s after
	wait_for 10 at_prompt
	diff before after
	has_line_soon 'cog-push: interrupted'
	wait_for 10 at_prompt
	screen | grep -v '^already in the registry: ' >lines
	diff - lines <<-END
		\$ stty -a >before
		\$ cog-push -i noise:1 ./L $REGISTRY/a/b:v1; stty -a >after
		cog-push: interrupted
		\$
	END
	[ "$(cursor | cut -d ' ' -f 1,3)" = "2 1" ]
}

# bats test_tags=native
@test "kill -9 of cog-push in the middle: the terminal is as it was" {
	start_registry --throttle 100000
	make_tar
	open_terminal 100 24
	enter 'stty -a >before'
	enter "cog-push -i noise:1 ./L $REGISTRY/a/b:v1; stty -a >after"
	has_line_soon '[0-9a-f]\{12\} pushing .*/3.0 MB .*'
	kill -9 "$(on_terminal cog-run | head -n 1)"
	wait_for 20 test -s after
	wait_for 10 at_prompt
	diff before after
	wait_for 15 is_empty "$TMPDIR"
	[ "$(cursor | cut -d ' ' -f 3)" = 1 ]
}

# bats test_tags=slow
@test "what the programs of a push say comes above the bars" {
	start_registry --throttle 300000 --fail-at PATCH:1:503
	make_tar
	open_terminal 100 24
	enter "COG_PUSH_MULTIPART_THRESHOLD=1 cog-push --retry-delay=2 --chunk-size=500000 -i noise:1 ./L $REGISTRY/a/b:v1"
	has_line_soon '[0-9a-f]\{12\} retrying in [12] s (1/5) .*'
	screen -J >lines
	said=$(grep -n '^oci-blob-upload: .*again in' lines)
	shown=$(grep -n '^total: ' lines)
	[ "${said%%:*}" -lt "${shown%%:*}" ]
	has_line_soon '  sent: .*'
	[ "$(screen -J | grep -c '^oci-blob-upload: .*again in')" -eq 1 ]
	[ "$(screen | grep -c '^total: ')" -eq 0 ]
}
