-- The audit's chains, by another hand than the one that wrote them: every hash is made anew, in SQL.
-- docs/design/audit.md has the recipe; `guilder audit verify` does the same record by record, and compares with anchors.
select v.tenant_id, 'evt' as kind, v.id::text as id,
       case when v.hash <> v.made then format('record %s of partition %s is not what was written', v.seq, v.partition)
            when v.seq <> v.seq_before + 1
                then format('between records %s and %s of partition %s some are missing', v.seq_before, v.seq, v.partition)
            else format('record %s of partition %s does not follow the one before', v.seq, v.partition) end as says
from (
    select r.tenant_id, r.id, r.partition, r.seq, r.hash, r.previous_hash,
           coalesce(lag(r.seq) over chain, c.last_seq, 0) as seq_before,
           coalesce(lag(r.hash) over chain, c.last_hash, decode(repeat('00', 32), 'hex')) as hash_before,
           sha256(convert_to(E'guilder.audit.1\n', 'UTF8') || r.previous_hash || f.fields) as made
    from tenant t
    join audit.records r on r.tenant_id = t.tenant_id
    left join lateral (
        select k.last_seq, k.last_hash from audit.closings k
        where k.tenant_id = r.tenant_id and k.partition = r.partition order by k.last_seq desc limit 1) c on true
    cross join lateral (
        select string_agg(case when x.text is null then '\xffffffff'::bytea
                               else int4send(octet_length(convert_to(x.text, 'UTF8'))) || convert_to(x.text, 'UTF8') end,
                          ''::bytea order by x.nth) as fields
        from unnest(array[
            r.tenant_id::text, r.class, to_char(r.month, 'YYYY-MM-DD'), r.partition::text, r.seq::text, r.id::text,
            to_char(r.at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
            to_char(r.recorded_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
            r.actor, r.action, r.version::text, r.object_kind, r.object_id::text, r.customer_id::text, r.request_id,
            encode(r.sealed_reason, 'hex'), r.payload, r.traceparent]) with ordinality as x (text, nth)) f
    window chain as (partition by r.tenant_id, r.partition order by r.seq, r.class, r.month)
) v
where v.hash <> v.made or v.seq <> v.seq_before + 1 or v.previous_hash <> v.hash_before
union all
select coalesce(h.tenant_id, l.tenant_id), 'chain', coalesce(h.partition, l.partition)::text,
       case when h.tenant_id is null then format('it has %s records, and no head', l.seq)
            else format('its head stands at %s, and its last record is %s', h.seq, coalesce(l.seq, 0)) end
from (select h.* from tenant t join audit.heads h on h.tenant_id = t.tenant_id) h
full join (
    select distinct on (r.tenant_id, r.partition) r.tenant_id, r.partition, r.seq, r.hash
    from (select r.tenant_id, r.partition, r.seq, r.hash from tenant t join audit.records r on r.tenant_id = t.tenant_id
          union all
          select k.tenant_id, k.partition, k.last_seq, k.last_hash
          from tenant t join audit.closings k on k.tenant_id = t.tenant_id) r
    order by r.tenant_id, r.partition, r.seq desc) l on (l.tenant_id, l.partition) = (h.tenant_id, h.partition)
where h.tenant_id is null or coalesce(l.seq, 0) <> h.seq
   or coalesce(l.hash, decode(repeat('00', 32), 'hex')) <> h.hash
