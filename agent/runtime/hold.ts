// What an instance's shell becomes when the instance has ended and no agent is there to tell: it keeps the instance's ports from other programs, which
// routers would take for the instance, until the next agent ends it.
import {existsSync} from 'node:fs'

/** Node can not bind a port without listening on it: this needs Perl, which nearly every Linux has. */
const perl = '/usr/bin/perl'

/** Whether ports can be held on this machine. */
export const canHold = (): boolean => existsSync(perl)

/** The longest that a port is held for an agent that does not come back; no service waits longer for an executor. */
const holdSecondsMax = 86_400

/**
 * `AGENT PORT…`. Ends at once when AGENT is still its parent: that one tells of the end itself. Else binds the ports without listening: connections are
 * refused, so that whoever wants one tries another instance, with any request. The address must be reusable while it is bound, since connections of the
 * instance may linger on it (tcp(7)), and must not be afterwards: else whoever asks for a reusable one gets it too (socket(7), SO_REUSEADDR).
 */
const script = `use Socket;
exit if getppid == shift;
for (@ARGV) {
  my $s;
  (socket($s, AF_INET6, SOCK_STREAM, 0) && setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) && setsockopt($s, IPPROTO_IPV6, IPV6_V6ONLY, 0)
    && bind($s, pack_sockaddr_in6($_, IN6ADDR_ANY)))
  || (socket($s, AF_INET, SOCK_STREAM, 0) && setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) && bind($s, pack_sockaddr_in($_, INADDR_ANY)))
  || next;
  setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 0);
  push @held, $s;
}
sleep ${holdSecondsMax} if @held;
`

/** The program and its first arguments, to be followed by the agent's number and the ports. */
export const holder: readonly string[] = [perl, '-e', script]
