-- A card that its bank renewed is told of by its provider, and not always in order: the last to be told of stays.

alter table payments.methods add column told_at timestamptz;
