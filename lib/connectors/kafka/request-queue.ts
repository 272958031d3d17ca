/**
 * After every answer the driver sets a timer to look for requests that wait, also where none does, and then for a time in the past (https://github.com/tulios/kafkajs/issues/1704): it rings each millisecond for as long as the
 * connection is there, and the runtime warns of it (`TimeoutNegativeWarning`). A queue in which nothing waits needs no timer: what comes later is sent at once, or sets one.
 */
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

const schedule = RequestQueue.prototype.scheduleCheckPendingRequests;

RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
  if (this.pending.length > 0) schedule.call(this);
};
