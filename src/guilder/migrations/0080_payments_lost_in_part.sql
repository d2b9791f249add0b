-- A bank that held all of a payment may take a part of it for good, and give the rest back with its decision.

drop trigger frozen on payments.disputes;
create trigger frozen before update on payments.disputes
    for each row when ((old.payment_id, old.dispute_ref, old.account_id, old.currency)
                       is distinct from (new.payment_id, new.dispute_ref, new.account_id, new.currency)
                       or (old.status <> 'inquiry' and old.amount_minor <> new.amount_minor
                           and not (old.status = 'open' and new.status = 'lost'
                                    and new.amount_minor between 1 and old.amount_minor)))
    execute function payments.refuse_dispute_return();
