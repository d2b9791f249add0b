"""Who asks: principals, verified tokens, permissions.

Owns: principals, roles and scopes, the verifiers of JWT and introspection, the shape of API keys.
Never: who a tenant or a customer is; that is asked through ports.
"""
