# SPDX-License-Identifier: Apache-2.0
load helper
load engine

# start_daemon ANSWER [GAP]: a daemon at $WORLD/socket that answers each request with the file ANSWER, in pieces of
# 7 bytes up to byte GAP; what it was asked is in the file asked.
start_daemon() {
	cat >daemon.py <<-'END'
		import os, socket, sys
		answer, gap = open(sys.argv[1], "rb").read(), int(sys.argv[2])
		server = socket.socket(socket.AF_UNIX)
		server.bind("new")
		server.listen()
		os.rename("new", "socket")
		while True:
		    peer, _ = server.accept()
		    asked = b""
		    while b"\r\n\r\n" not in asked and (some := peer.recv(4096)):
		        asked += some
		    open("asked", "ab").write(asked)
		    try:
		        for at in range(0, gap, 7):
		            peer.sendall(answer[at:min(at + 7, gap)])
		        peer.sendall(answer[gap:])
		    except OSError:
		        pass
		    peer.close()
	END
	"$PYTHON" -S daemon.py "$1" "${2:-0}" 3>&- &
	SERVERS+=($!)
	wait_for 10 test -S socket
}

# answer STATUS BODY-FILE: in the file answer.
answer() {
	{
		printf 'HTTP/1.0 %s\r\nContent-Type: application/x-tar\r\nServer: Docker\r\n\r\n' "$1"
		cat "$2"
	} >answer
}

@test "the command gets the saved image as its stdin, from the first byte to the last" {
	answer "200 OK" "$DATA/docker20.tar"
	start_daemon answer 150
	cog-docker-save socket sha256:abc cat >got
	cmp got "$DATA/docker20.tar"
	[ "$(head -n 1 asked | tr -d '\r')" = "GET /images/sha256:abc/get HTTP/1.0" ]
	try cog-docker-save socket example.com/team/fixture:v1 oci-from-dockertar layout
	[ "$status" -eq 0 ]
	[ "$(jq -r 'select(.event == "image").names[0]' <<<"$output")" = example.com/team/fixture:v1 ]
}

@test "the status is that of the command, whose options are its own" {
	answer "200 OK" /dev/null
	start_daemon answer
	try cog-docker-save socket image sh -c 'exit 65'
	[ "$status" -eq 65 ]
	try cog-docker-save socket image ./absent
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-docker-save: ./absent: No such file or directory" ]
}

@test "what the daemon says of an image is told in one line, and no command is started" {
	printf '{"message":"No such image: sha256:abc\\u001b[31m"}' >body
	answer "404 Not Found" body
	start_daemon answer
	try cog-docker-save socket sha256:abc touch started
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-docker-save: docker: No such image: sha256:abc?[31m (404)" ]
	[ ! -e started ]
}

@test "a daemon that is none, says nothing or too much, is told of" {
	for each in "nothing:closed the connection" "SSH-2.0-x:not docker" "long:"; do
		rm -f socket
		case ${each%%:*} in
		nothing) : >answer ;;
		long) head -c 100000 /dev/zero | tr '\0' x >answer ;;
		*) printf '%s\r\n\r\n' "${each%%:*}" >answer ;;
		esac
		start_daemon answer
		try cog-docker-save socket image touch started
		[ "$status" -ne 0 ]
		has_one_line "$stderr"
		[[ $stderr == "cog-docker-save: "*"${each#*:}"* ]]
		[ ! -e started ]
	done
	try cog-docker-save absent image true
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-docker-save: absent: No such file or directory" ]
}

@test "what could change the request is refused" {
	for image in "a b" "../secrets" "/x" "a?names=b" "a%2fb" $'a\r\nX: y'; do
		try cog-docker-save socket "$image" true
		[ "$status" -eq 2 ]
		has_one_line "$stderr"
	done
}

@test "a signal ends the wait for a daemon that does not answer" {
	mkfifo silent
	"$PYTHON" -S -c 'import socket, os
server = socket.socket(socket.AF_UNIX); server.bind("new"); server.listen(); os.rename("new", "socket")
peer = server.accept()[0]; open("asked", "wb").write(peer.recv(1)); open("silent").read()' 3>&- &
	SERVERS+=($!)
	wait_for 10 test -S socket
	cog-docker-save socket image true 2>errors 3>&- &
	pid=$!
	wait_for 10 test -s asked
	kill -TERM "$pid"
	wait "$pid" && status=0 || status=$?
	[ "$status" -eq 130 ]
	[ "$(cat errors)" = "cog-docker-save: interrupted" ]
	: >silent
}

@test "cog-push takes the image from the daemon's socket where docker's client names one, else from the client" {
	start_registry
	fake_engine docker
	answer "200 OK" "$SAVED"
	start_daemon answer
	# A client that does not know, as podman's.
	try cog-push fixture "$REGISTRY/a/b:v1"
	[ "$status" -eq 0 ]
	client=$output
	grep -q '^docker save' calls
	sed -i "s|^save) |context) echo \"unix://$WORLD/socket\" ;;\n&|" engines/docker
	rm -r calls cache
	try cog-push fixture "$REGISTRY/c/d:v1"
	[ "$status" -eq 0 ]
	[ "${output#*@}" = "${client#*@}" ]
	[ "$(grep -c '^docker save' calls)" -eq 0 ]
	grep -q "^GET /images/$ENGINE_ID/get " asked
	[ -z "$(ls -A "$TMPDIR")" ]
	# What it says when the image went away meanwhile.
	printf '{"message":"No such image"}' >body
	answer "404 Not Found" body
	rm -r socket cache
	start_daemon answer
	try cog-push fixture "$REGISTRY/e/f:v1"
	[ "$status" -eq 1 ]
	[ "$stderr" = "cog-docker-save: docker: No such image (404)" ]
	# A socket that is not of this machine.
	sed -i "s|unix://$WORLD/socket|tcp://192.0.2.1:2376|" engines/docker
	try cog-push fixture "$REGISTRY/e/f:v1"
	[ "$status" -eq 0 ]
}
