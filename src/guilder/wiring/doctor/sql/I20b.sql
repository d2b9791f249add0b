select n.tenant_id, 'notice' as kind, n.notice_id as id,
       format('this webhook of a provider is kept %s times', count(*)) as says
from tenant t
join gateways.notices n on n.tenant_id = t.tenant_id
group by n.tenant_id, n.account_id, n.notice_id
having count(*) > 1
