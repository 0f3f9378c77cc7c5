import { once } from 'node:events'

/**
 * Bytes of a Node process that are in use: its heap after a collection of all garbage, and the memory of its
 * buffers. Asked of its inspector, so that no server has to know of the bench.
 */
export async function readLiveHeap(inspectorPort: number): Promise<number> {
  const [page] = (await (await fetch(`http://127.0.0.1:${inspectorPort}/json/list`)).json()) as {
    webSocketDebuggerUrl: string
  }[]
  const socket = new WebSocket(page?.webSocketDebuggerUrl ?? '')
  const signal = AbortSignal.timeout(60_000)
  await once(socket, 'open', { signal })
  const call = async (id: number, method: string) => {
    socket.send(JSON.stringify({ id, method }))
    const [message] = (await once(socket, 'message', { signal })) as [MessageEvent]
    return JSON.parse(String(message.data)) as { result: { usedSize: number; backingStorageSize: number } }
  }
  // Twice: what the first collection finalises is free for the second.
  await call(1, 'HeapProfiler.collectGarbage')
  await call(2, 'HeapProfiler.collectGarbage')
  const { usedSize, backingStorageSize } = (await call(3, 'Runtime.getHeapUsage')).result
  socket.close()
  return usedSize + backingStorageSize
}
