// The process of Worker. It starts steps on request, and forwards their output and exit codes.
import { spawn } from 'node:child_process'

/** @param {object} message to the test, which may be gone */
function send(message) {
  if (process.connected) process.send(message, () => {})
}

process.on('message', ({ id, command, args, cwd, env, stdout }) => {
  const step = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  if (step.pid !== undefined) send({ id, pid: step.pid })
  for (const name of ['stdout', 'stderr']) {
    // One byte is one character: a chunk may end in the middle of a longer one.
    step[name].on('data', (chunk) => send({ id, stream: name, text: chunk.toString('latin1') }))
  }
  if (stdout === 'closed') step.stdout.destroy()
  step.on('error', ({ message }) => send({ id, error: message }))
  step.on('close', (exitCode, signal) => send({ id, exitCode, signal }))
})
process.on('disconnect', () => process.exit())
send({ ready: true })
