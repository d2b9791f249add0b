-- Of who is forgotten the log, and what webhooks said, keep the codes: the reasons that people typed and the digits of cards
-- go, as they go in the rooms. What stands on documents lies sealed with them by then.
create or replace function platform.pseudonymised(said jsonb, old text, new text) returns jsonb
    language plpgsql immutable parallel safe set search_path = ''
    as $$
begin
    case jsonb_typeof(said)
    when 'object' then
        return coalesce((
            select jsonb_object_agg(f.key, case
                when f.key in ('metadata', 'properties') and jsonb_typeof(f.value) = 'object' then '{}'::jsonb
                when jsonb_typeof(f.value) = 'string' and (
                    f.key in ('description', 'memo', 'note', 'text', 'sentence', 'brand', 'last4', 'label', 'fingerprint')
                    -- A code of ours, or of a provider, says nothing of anybody.
                    or f.key = 'reason' and f.value #>> '{}' !~ '^[a-z0-9_.:-]*$') then '""'::jsonb
                else platform.pseudonymised(f.value, old, new) end)
              from jsonb_each(said) f), '{}');
    when 'array' then
        return coalesce((
            select jsonb_agg(platform.pseudonymised(e.value, old, new) order by e.nth)
              from jsonb_array_elements(said) with ordinality e (value, nth)), '[]');
    when 'string' then
        return case when old <> '' and said = to_jsonb(old) then to_jsonb(new) else said end;
    else
        return said;
    end case;
end $$;

-- Which of the customer's users recorded it.
grant update (recorded_by) on privacy.consents to guilder_app;
