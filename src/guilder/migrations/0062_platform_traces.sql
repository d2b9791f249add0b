-- With which trace a call goes on: W3C traceparent, of the message or the request that asked for it.

alter table platform.intents add column traceparent text;
