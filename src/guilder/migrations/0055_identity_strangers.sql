-- Tries are counted at names of tenants that are nobody's as well: a name that never has to wait would tell that it is not
-- there. They stand under an id that is no tenant's, made of the name.
alter table identity.sign_in_tries drop constraint sign_in_tries_tenant_id_fkey;
