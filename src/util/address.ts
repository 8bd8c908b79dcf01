/** Whether a host name of a URL is this machine. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** Whether nobody between here and there can read what is sent: https, or plain http to this machine. */
export function isPrivate({ protocol, hostname }: { protocol: string; hostname: string }): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
}

/** The user information before the host of an address, with or without a scheme: `user:password@`. */
const USER_INFORMATION = /^((?:[a-z][a-z0-9+.-]*:\/\/)?)([^/?#]*)@/i

/** The password in an address, or else the user name, which may be a token; undefined without either. */
export function passwordIn(address: string): string | undefined {
  const [, , user] = USER_INFORMATION.exec(address.trim()) ?? []
  if (user === undefined) return undefined
  const colon = user.indexOf(':')
  return (colon < 0 ? user : user.slice(colon + 1) || user.slice(0, colon)) || undefined
}

/** The address without user name and password. */
export function withoutUser(address: string): string {
  return address.trim().replace(USER_INFORMATION, '$1')
}
