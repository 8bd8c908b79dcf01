import type { Operation } from './operations.ts'
import { ServiceError } from './service-error.ts'

/** The constraints of a text member of a request. Lengths count UTF-16 units, the strictest reading of "length". */
interface TextConstraint {
  required?: true
  min?: number
  max?: number
  characters?: RegExp
  oneOf?: readonly string[]
  mustNotBeginWith?: string
}

/**
 * API reference, the pattern of every text: `[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*`.
 * A pair of surrogates is one character here, a lone surrogate is none.
 */
const CHARACTERS = /^[\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}\r\n\t]*$/u

/** Developer Guide, dp-limits: "Number of UTF8 bytes per field". */
const FIELD_BYTES = 10_240

/** Developer Guide, dp-limits: "Number of UTF8 bytes per object". The error fields become fields of one object. */
const OBJECT_BYTES = 15_360

const ERROR_FIELDS = ['errorId', 'errorMessage', 'errorStackTrace'] as const

/** API reference, PollForTask, ReportTaskRunnerHeartbeat. */
const ID: TextConstraint = { min: 1, max: 1024, characters: CHARACTERS }
/** API reference, SetTaskStatus, ReportTaskProgress. */
const TASK_ID: TextConstraint = { required: true, min: 1, max: 2048, characters: CHARACTERS }
/** API reference, Field. */
const FIELD_NAME: TextConstraint = { min: 1, max: 256, characters: CHARACTERS }

const MEMBERS: Record<Operation, Record<string, TextConstraint>> = {
  PollForTask: {
    workerGroup: { required: true, max: 1024, characters: CHARACTERS }, // API reference, PollForTask
    hostname: ID,
  },
  ReportTaskProgress: {
    taskId: TASK_ID,
  },
  SetTaskStatus: {
    taskId: TASK_ID,
    taskStatus: { required: true, oneOf: ['FINISHED', 'FAILED', 'FALSE'] }, // API reference, SetTaskStatus
    errorId: { max: 1024, characters: CHARACTERS, mustNotBeginWith: 'Service_' }, // length: service model of the SDKs
    errorMessage: { characters: CHARACTERS }, // no pattern is published for it; the strict reading is taken
    errorStackTrace: { characters: CHARACTERS }, // its length is an option: see ConstraintOptions
  },
  ReportTaskRunnerHeartbeat: {
    taskrunnerId: { ...ID, required: true },
    workerGroup: { max: 1024, characters: CHARACTERS },
    hostname: ID,
  },
}

/** API reference, Field. */
const FIELD_MEMBERS: Record<string, TextConstraint> = {
  key: { ...FIELD_NAME, required: true },
  stringValue: { max: 10_240, characters: CHARACTERS },
  refValue: FIELD_NAME,
}

export interface ConstraintOptions {
  /** 4095 in the API reference, SetTaskStatus; 1024 in the service model of the SDKs. Which one applies is unknown. */
  stackTraceLimit: number
}

/**
 * Checks a request against the published constraints.
 * @throws ServiceError InvalidRequestException that names the first member at fault,
 *   SerializationException for a member of the wrong type
 */
export function checkConstraints(
  operation: Operation,
  body: Record<string, unknown>,
  options: ConstraintOptions,
): void {
  for (const [member, constraint] of Object.entries(MEMBERS[operation])) {
    checkText(
      member,
      body[member],
      member === 'errorStackTrace' ? { ...constraint, max: options.stackTraceLimit } : constraint,
    )
  }
  if (operation === 'SetTaskStatus') checkErrorFieldsTogether(body)
  if (operation === 'ReportTaskProgress') checkFields(body['fields'])
}

function checkText(member: string, value: unknown, constraint: TextConstraint): void {
  if (value === undefined || value === null) {
    if (constraint.required) refuse(member, value, 'Member must not be null')
    return
  }
  if (typeof value !== 'string') {
    throw new ServiceError('SerializationException', `${typeof value} can not be converted to a String at '${member}'`)
  }
  if (constraint.min !== undefined && value.length < constraint.min) {
    refuse(member, value, `Member must have length greater than or equal to ${constraint.min}`)
  }
  if (constraint.max !== undefined && value.length > constraint.max) {
    refuse(member, value, `Member must have length less than or equal to ${constraint.max}`)
  }
  if (constraint.characters && !constraint.characters.test(value)) {
    refuse(member, value, `Member must satisfy regular expression pattern: ${constraint.characters.source}`)
  }
  if (constraint.oneOf && !constraint.oneOf.includes(value)) {
    refuse(member, value, `Member must satisfy enum value set: [${constraint.oneOf.join(', ')}]`)
  }
  if (constraint.mustNotBeginWith !== undefined && value.startsWith(constraint.mustNotBeginWith)) {
    refuse(member, value, `Member must not begin with ${constraint.mustNotBeginWith}`)
  }
  if (bytes(value) > FIELD_BYTES) {
    refuse(member, value, `Member must have no more than ${FIELD_BYTES} UTF-8 bytes`)
  }
}

function checkErrorFieldsTogether(body: Record<string, unknown>): void {
  const total = ERROR_FIELDS.reduce((sum, member) => sum + bytes(body[member]), 0)
  if (total > OBJECT_BYTES) {
    refuse(ERROR_FIELDS.join(', '), undefined, `Members must have no more than ${OBJECT_BYTES} UTF-8 bytes together`)
  }
}

function checkFields(fields: unknown): void {
  if (fields === undefined || fields === null) return
  if (!Array.isArray(fields)) throw new ServiceError('SerializationException', "Expected a list at 'fields'")
  for (const [index, field] of fields.entries()) {
    const place = `fields.${index + 1}.member`
    if (typeof field !== 'object' || field === null) {
      throw new ServiceError('SerializationException', `Expected a structure at '${place}'`)
    }
    for (const [member, constraint] of Object.entries(FIELD_MEMBERS)) {
      checkText(`${place}.${member}`, field[member], constraint)
    }
  }
}

function bytes(value: unknown): number {
  return typeof value === 'string' ? Buffer.byteLength(value, 'utf8') : 0
}

function refuse(member: string, value: unknown, rule: string): never {
  const visible = typeof value === 'string' ? ` '${value.slice(0, 60)}'` : ''
  throw new ServiceError(
    'InvalidRequestException',
    `1 validation error detected: Value${visible} at '${member}' failed to satisfy constraint: ${rule}`,
  )
}
