import { randomBytes } from 'node:crypto'

/** A field of a pipeline object: a text, or the id of another object. */
export interface Field {
  key: string
  stringValue?: string
  refValue?: string
}

export interface PipelineObject {
  id: string
  name: string
  fields: Field[]
}

export type PipelineObjects = Record<string, PipelineObject>

/** The length of the task id in the sample of the API reference, PollForTask. The API allows 2048. */
const SAMPLE_LENGTH = 921

/** A new task id that looks like the API's sample: base64 with `+`, `/` and `=`, and colons in it. */
export function sampleTaskId(): string {
  const tail = `+/:${randomBytes(16).toString('base64')}:1`
  return (
    randomBytes(SAMPLE_LENGTH)
      .toString('base64')
      .slice(0, SAMPLE_LENGTH - tail.length) + tail
  )
}

/**
 * The objects of a task in the shape of the API's sample, API reference PollForTask.
 *
 * @param task.texts fields of the attempt, besides those of the sample or in place of them
 */
export function sampleObjects(task: {
  attemptId: string
  pipelineId: string
  workerGroup: string
  texts?: Readonly<Record<string, string>>
}): PipelineObjects {
  const instance = task.attemptId.replace(/_Attempt=\d+$/, '')
  const { type = 'ShellCommandActivity', command = 'echo hello', ...others } = task.texts ?? {}
  return {
    [task.attemptId]: {
      id: task.attemptId,
      name: task.attemptId,
      fields: [
        { key: '@componentParent', refValue: 'SayHello' },
        { key: '@scheduledStartTime', stringValue: '2026-01-12T00:00:00' },
        { key: 'parent', refValue: 'SayHello' },
        { key: '@sphere', stringValue: 'ATTEMPT' },
        { key: 'workerGroup', stringValue: task.workerGroup },
        { key: '@instanceParent', refValue: instance },
        { key: 'type', stringValue: type },
        { key: '@status', stringValue: 'WAITING_FOR_RUNNER' },
        { key: '@version', stringValue: '1' },
        { key: 'schedule', refValue: 'Schedule' },
        { key: '@actualStartTime', stringValue: '2026-01-13T01:40:50' },
        { key: 'command', stringValue: command },
        { key: '@scheduledEndTime', stringValue: '2026-01-12T01:00:00' },
        { key: '@activeInstances', refValue: instance },
        { key: '@pipelineId', stringValue: task.pipelineId },
        ...Object.entries(others).map(([key, stringValue]) => ({ key, stringValue })),
      ],
    },
  }
}
