// What starts an agent on a host: a shell script that starts the version that is current, and goes back to the one before when a new one does not come
// into contact with the control plane. Pure text; the agent's side of it is agent/upgrade/versions.ts.

/**
 * How long a new version of an agent has until a sync of it is answered. Shorter than the lease, with room for both restarts: until the one before is back,
 * nobody gives up what runs.
 */
export const trialSecondsDefault = 25
/** Starts of a version on trial. */
export const trialStartsMax = 3

/**
 * `sh LAUNCHER VERSIONS SECONDS INSTALLED NODE [FLAG…]`, started again by a supervisor whenever it ends. It becomes the agent (`exec`): signals are the agent's. In the folder
 * VERSIONS, which the agent makes: `<sha256>/agent.mjs`; `current`, a link to one of these folders, absent for the program INSTALLED; `trial`, `TO FROM SINCE`, while TO has not
 * proved itself; `starts`, a byte for each start of it; `late`, when it was ended for its silence; `refused`, SINCE and why.
 */
export const launcherScript = `#!/bin/sh
# Starts the Gilliam agent that is current, and goes back to the one before when a new one fails. VERSIONS SECONDS INSTALLED NODE [FLAG...]
versions=$1 limit=$2 installed=$3
shift 3
export GILLIAM_AGENT_VERSIONS="$versions"

current() { readlink "$versions/current" 2>/dev/null || echo installed; }
program() { if [ "$1" = installed ]; then echo "$installed"; else echo "$versions/$1/agent.mjs"; fi; }
ended() { rm -f "$versions/trial" "$versions/starts" "$versions/late"; }

point() {
  if [ "$1" = installed ]; then rm -f "$versions/current"; return; fi
  rm -f "$versions/current.next"
  ln -s "$1" "$versions/current.next" && mv -fT "$versions/current.next" "$versions/current"
}

back() {
  echo "gilliam launcher: agent $to: $1; back to $from" >&2
  printf '%s\\n%s\\n' "$since" "$1" > "$versions/refused.next" && mv -f "$versions/refused.next" "$versions/refused"
  point "$from"
  ended
}

# The agent has this process's id, and removes the note when a sync was answered.
watch() {
  waited=0
  while [ -f "$versions/trial" ] && kill -0 $$ 2>/dev/null; do
    if [ "$waited" -ge "$limit" ]; then : > "$versions/late"; kill -KILL $$; return; fi
    sleep 1
    waited=$((waited + 1))
  done
}

if [ -f "$versions/trial" ]; then
  read -r to from since < "$versions/trial"
  starts=$(cat "$versions/starts" 2>/dev/null | wc -c)
  if [ "$(current)" != "$to" ]; then ended
  elif [ -f "$versions/late" ]; then back "no sync was answered within $limit s"
  elif [ "$starts" -ge ${trialStartsMax} ]; then back "it ended ${trialStartsMax} times before a sync was answered"
  else
    printf . >> "$versions/starts"
    ( watch & )
  fi
fi
[ -f "$(program "$(current)")" ] || point installed
exec "$@" "$(program "$(current)")"
`
