"""Who may do what with toys, as the whole house says it of everything."""

ENDPOINTS = """
method, path,                     scope,      staff,   customer, public, step_up, audited
GET,    /api/crash,               toys:read,  member,  member,   -,      -,       -
POST,   /api/hooks,               -,          -,       -,        yes,    -,       -
GET,    /api/others,              toys:read,  member,  member,   -,      -,       -
GET,    /api/page/{token},        -,          -,       -,        yes,    -,       -
GET,    /api/toys,                toys:read,  member,  member,   -,      -,       -
POST,   /api/toys,                toys:write, billing, billing,  -,      -,       -
PUT,    /api/toys,                toys:write, billing, billing,  -,      -,       -
POST,   /api/toys/refused,        toys:write, billing, billing,  -,      -,       -
POST,   /api/toys/refused-answer, toys:write, billing, billing,  -,      -,       -
POST,   /api/toys/slow,           toys:write, billing, billing,  -,      -,       -
GET,    /api/toys/{toy_id},       toys:read,  member,  member,   -,      -,       -
DELETE, /api/toys/{toy_id},       toys:write, admin,   -,        -,      yes,     -
POST,   /api/toys/{toy_id}/wind,  toys:write, billing, billing,  -,      -,       -
GET,    /api/whoami,              toys:read,  member,  member,   -,      -,       -
GET,    /,                        -,          -,       -,        yes,    -,       -
GET,    /docs,                    -,          -,       -,        yes,    -,       -
GET,    /favicon.ico,             -,          -,       -,        yes,    -,       -
GET,    /health,                  -,          -,       -,        yes,    -,       -
GET,    /metrics,                 -,          -,       -,        yes,    -,       -
GET,    /openapi.json,            -,          -,       -,        yes,    -,       -
GET,    /ready,                   -,          -,       -,        yes,    -,       -
"""
FIELDS = """
object,        field,    does, staff,   customer
ToyIn,         metadata, sets, billing, -
Line,          amount,   sets, admin,   billing
GET /api/toys, names,    sets, member,  admin
ToyOut,        made_at,  sees, billing, -
"""
