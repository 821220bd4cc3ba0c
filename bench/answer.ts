/** The headers of an answer of `/verify`, without those that Node adds: both servers of the comparison send the same. */
export function answerHeaders(bodyBytes: number, requestId: string): string[] {
  return [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(bodyBytes),
    'Cache-Control',
    'no-store',
    'X-Request-Id',
    requestId,
  ]
}
