-- What an update left behind, held against what was there before it. The plan of such a function is made when a connection
-- first updates such a table, and kept: made for one row, it went through all of the old rows for each of the new ones, and
-- a batch of five hundred renewals compared a quarter of a million pairs, five times what all else of the function takes.
-- Without nested loops both sides are put in order, which is right for one row and for any number.
alter function subscriptions.log_state() set enable_nestloop = off;
alter function subscriptions.log_history_of_change() set enable_nestloop = off;
alter function payments.log_state() set enable_nestloop = off;
alter function invoicing.log_state() set enable_nestloop = off;
