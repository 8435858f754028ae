// The two ends of a TCP connection as one text, by which a process knows a connection of its own from the other side.

const place = (address = '', port = 0): string => `${address.replace(/^::ffff:/, '')} ${port}`

/** Of the side that connected, and of the side that listened. One end alone does not do: the kernel gives a port to several connections with different peers. */
export const endsOf = (address?: string, port?: number, listenAddress?: string, listenPort?: number): string =>
  `${place(address, port)} ${place(listenAddress, listenPort)}`
