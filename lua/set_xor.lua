-- set_xor: the members that are in one of two sets only
-- KEYS[1] the one
-- KEYS[2] the other
-- returns {'ok', members of the one, members of the other}
-- reads
-- empty {'ok', {}, {}}
return {'ok', redis.call('SDIFF', KEYS[1], KEYS[2]), redis.call('SDIFF', KEYS[2], KEYS[1])}
