/** The texts that go with FAILED and FALSE, set on the attempt object and shown to people. */
export interface ErrorFields {
  readonly errorId?: string
  readonly errorMessage?: string
  readonly errorStackTrace?: string
}

export type ErrorFieldName = keyof ErrorFields

/** The names of the inputs that the fields come from, for messages. */
export const INPUT_OF_FIELD: Readonly<Record<ErrorFieldName, string>> = {
  errorId: 'error-id',
  errorMessage: 'error-message',
  errorStackTrace: 'error-stack-trace',
}

export const ERROR_FIELD_NAMES = Object.keys(INPUT_OF_FIELD) as ErrorFieldName[]
