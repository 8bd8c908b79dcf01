/** Characters that Node rejects in the value of a header. */
const UNSENDABLE = /[^\t\u0020-\u007e\u0080-\u00ff]/

/** The name of a header whose value can't be sent; undefined when all can. */
export function unsendableHeader(headers: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(headers).find(([, value]) => UNSENDABLE.test(value))?.[0]
}
