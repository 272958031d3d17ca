/** The one part behind the driver's public face that request-queue.ts needs. */
declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    /** Requests that were not sent yet. */
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
}
