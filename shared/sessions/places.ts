// Where relays are found: proxies of the formation `gilliam` announce a port of their own for it.

export const relayFormation = 'gilliam'
/** The service port that stands for a proxy's relay. */
export const relayPort = 9_001
