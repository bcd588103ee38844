"""The gateway: turns a request into an authenticated, admitted, answered and audited one."""
