/** The size that a text may have: `characters` are UTF-16 code units, `bytes` are bytes of UTF-8. */
export interface Limit {
  readonly characters: number
  readonly bytes: number
}
