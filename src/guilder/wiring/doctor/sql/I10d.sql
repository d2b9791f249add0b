-- What a bank holds lies in `disputes` until it is decided, and then no more.
with booked as (
    select e.tenant_id, p.ref_id as dispute_id, p.currency, sum(p.amount_minor) as held
    from tenant t
    join ledger.entries e on e.tenant_id = t.tenant_id
    join ledger.postings p on p.tenant_id = e.tenant_id and p.entry_id = e.id
    where p.account = 'disputes' group by e.tenant_id, p.ref_id, p.currency
), open as (
    select d.tenant_id, d.id as dispute_id, d.currency, d.amount_minor as held
    from tenant t join payments.disputes d on d.tenant_id = t.tenant_id where d.status = 'open'
)
select tenant_id, 'dsp' as kind, dispute_id::text as id,
       format('%s %s of it are in the books as held by a bank, and it should be %s', coalesce(b.held, 0), currency,
              coalesce(o.held, 0)) as says
from booked b full join open o using (tenant_id, dispute_id, currency)
where coalesce(b.held, 0) <> coalesce(o.held, 0)
