-- lease_free: give a lease back, if the lease is still ours
-- KEYS[1] the lease
-- ARGV[1] token
-- ARGV[2] channel of waiting callers
-- returns {'ok'} | {'refused'}
-- writes leases only
-- empty {'ok'}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'refused'} end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], '')
return {'ok'}
