"""Seeded bugs that the property test must catch: at least one per script and per invariant. A table, nothing else."""

from __future__ import annotations

from typing import NamedTuple

CLAIMED = "redis.call('SADD'"
TO_EVENTS = "redis.call('XADD', events"
CHUNK_EARLY = "for i = 3, #KEYS do redis.call('XADD', KEYS[i], '*', 'c', ARGV[7], 't', ARGV[3], 'e', ARGV[2], "
END_EARLY = "for i = 9, #KEYS do redis.call('XADD', KEYS[i], '*', 'c', id, 't', turn, 'e', epoch, "
IS_CANCELLED = "redis.call('HEXISTS', KEYS[2], 'x:' .. turn) == 1"
FENCE = "if s[1] ~= 'running' or s[2] ~= worker or s[3] ~= epoch then"
FENCE_BY_ARGV = "if s[1] ~= 'running' or s[2] ~= ARGV[1] or s[3] ~= ARGV[2] then"
IS_IDLE = "if redis.call('HGET', KEYS[2], 'st') == 'idle' then"
REVIVED = "'n', n, 'ep', epoch, 'sv'"
ACK = "redis.call('XACK', KEYS[1], 'brain', s[4])\n"
COUNT_NEW = "if redis.call('ZADD', subs, text(now + ttl), gateway) == 1 then redis.call('HINCRBY', conv, 'sv', 1) end\n"
DROP_EXPIRED = "redis.call('ZREMRANGEBYSCORE', subs, '-inf', '(' .. text(now))"


class Mutation(NamedTuple):
    name: str
    script: str
    old: str
    new: str


MUTATIONS = (
    # open
    Mutation("open_twice", "open", "if existing then return { 'found', existing } end", ""),
    Mutation("open_restarts_numbers", "open", " or redis.call('HEXISTS', KEYS[6], id) == 1", ""),
    # accept
    Mutation("accept_nodedup", "accept", "if seen then\n", "if false then\n"),
    Mutation("accept_nowake", "accept", IS_IDLE, "if false then"),
    Mutation("accept_stays_idle", "accept", "'st', 'ready', 'act', entry, 'att', 0)", "'act', entry, 'att', 0)"),
    Mutation("accept_wakes_ready", "accept", IS_IDLE, "if redis.call('HGET', KEYS[2], 'st') ~= 'running' then"),
    Mutation("accept_ignores_early_cancel", "accept", "if seen == 'x' then return { 'cancelled' } end", ""),
    Mutation("accept_restarts_numbers", "accept", REVIVED, "'n', 0, 'ep', epoch, 'sv'"),
    Mutation("accept_restarts_epochs", "accept", REVIVED, "'n', n, 'ep', 0, 'sv'"),
    Mutation("accept_any_property", "accept", "return known == property", "return true"),
    Mutation("accept_large", "accept", "if #body > tonumber(ARGV[11])", "if false"),
    Mutation("accept_never_busy", "accept", "if depth >= tonumber(ARGV[6])", "if false"),
    Mutation("accept_never_overloaded", "accept", "if waiting >= tonumber(ARGV[7])", "if false"),
    Mutation("accept_counts_running_as_waiting", "accept", "and waiting - read or", "and waiting or"),
    Mutation("accept_unlogged", "accept", "record(KEYS[4], KEYS[5], id, n, body)\n", ""),
    Mutation("accept_in_front", "accept", "redis.call('RPUSH'", "redis.call('LPUSH'"),
    # claim
    Mutation("claim_superseded", "claim", "if s[2] ~= entry then", "if false then"),
    Mutation("claim_steals_running", "claim", "if s[1] == 'running' then", "if false then"),
    Mutation("claim_no_token", "claim", " or s[4] ~= ARGV[4]", ""),
    Mutation("claim_without_lease", "claim", "if not lease or tonumber(lease) <= now then return { 'lapsed' } end", ""),
    Mutation("claim_acks", "claim", CLAIMED, "redis.call('XACK', KEYS[1], 'brain', entry) " + CLAIMED),
    Mutation("claim_not_owned", "claim", "redis.call('SADD', KEYS[6], ARGV[3])", ""),
    Mutation("claim_ignores_cancel", "claim", IS_CANCELLED, "false"),
    Mutation("claim_same_epoch", "claim", "math.max(epoch + 1, now)", "math.max(epoch, 1)"),
    Mutation("claim_costs_nothing", "claim", ", attempt + 1  ", ", attempt  "),
    Mutation("claim_never_exhausted", "claim", "attempt > tonumber(ARGV[5])", "false"),
    Mutation("claim_forgets_draft", "claim", "local draft = redis.call('GET', KEYS[4]) or ''", "local draft = ''"),
    Mutation("claim_stale_not_acked", "claim", "redis.call('XACK', KEYS[1], 'brain', entry)\n", ""),
    Mutation("claim_epoch_is_the_clock", "claim", "math.max(epoch + 1, now)", "now"),
    Mutation("claim_never_expires", "claim", "now > tonumber(deadline) and draft == ''", "false"),
    Mutation("claim_expires_begun", "claim", " and draft == ''", ""),
    # emit
    Mutation("emit_before_fence", "emit", "local s = ", CHUNK_EARLY + "'o', ARGV[4], 'b', ARGV[5]) end\nlocal s = "),
    Mutation("emit_nofence", "emit", FENCE_BY_ARGV, "if false then"),
    Mutation("emit_any_epoch", "emit", " or s[3] ~= ARGV[2] then", " then"),
    Mutation("emit_ignores_cancel", "emit", "if s[5] then", "if false then"),
    Mutation("emit_no_gap", "emit", "if offset > length then", "if false then"),
    Mutation("emit_no_limit", "emit", "if offset + #words > tonumber(ARGV[6]) then", "if false then"),
    Mutation("emit_appends", "emit", "redis.call('SETRANGE', KEYS[2], offset, words)",
             "redis.call('APPEND', KEYS[2], words)"),
    Mutation("emit_no_draft", "emit", "redis.call('SETRANGE', KEYS[2], offset, words)", "offset + #words"),
    Mutation("emit_to_the_rest", "emit", "for i = 3, #KEYS do", "for i = 4, #KEYS do"),
    Mutation("emit_wrong_offset", "emit", "'o', ARGV[4], 'b'", "'o', length, 'b'"),
    # journal
    Mutation("journal_nofence", "journal", FENCE_BY_ARGV, "if false then"),
    Mutation("journal_any_epoch", "journal", " or s[3] ~= ARGV[2] then", " then"),
    Mutation("journal_nodedup", "journal", "if seen then return", "if false then return"),
    Mutation("journal_begins_cancelled", "journal", "if s[4] and ARGV[8] == '1' then", "if false then"),
    Mutation("journal_begins_recorded", "journal", "if s[4] and ARGV[8] == '1' then",
             "if s[4] and ARGV[8] == '1' and not redis.call('GET', KEYS[5]) then"),
    Mutation("journal_drops_effect", "journal", "if s[4] and ARGV[8] == '1' then", "if s[4] then"),
    Mutation("journal_no_gap", "journal", "tonumber(ARGV[7]) > length", "false"),
    Mutation("journal_off_the_events", "journal", TO_EVENTS, TO_EVENTS + " .. '?'"),
    # commit
    Mutation("commit_nofence", "commit", FENCE, "if false then"),
    Mutation("commit_any_epoch", "commit", " or s[3] ~= epoch then", " then"),
    Mutation("commit_any_worker", "commit", " or s[2] ~= worker or s[3]", " or s[3]"),
    Mutation("commit_next_epoch_is_the_clock", "commit", "math.max(tonumber(epoch) + 1, now)", "now"),
    Mutation("commit_next_never_expires", "commit", "if deadline ~= '0' and now", "if false and now"),
    Mutation("commit_next_expires_begun", "commit", " and redis.call('STRLEN', KEYS[6]) == 0 then", " then"),
    Mutation("commit_letter_without_message", "commit", "message and message[2][2] or ''", "''"),
    Mutation("commit_letter_miscounts", "commit", "tonumber(s[10] or 1) - 1", "tonumber(s[10] or 1)"),
    Mutation("commit_keeps_lost_runs", "commit", "if s[11] then redis.call('HDEL', KEYS[2], 'tr') end\n", ""),
    Mutation("commit_not_repeatable", "commit", "if s[6] ~= done then return", "if true then return"),
    Mutation("commit_nowake", "commit", "state, entry = 'ready', activate(KEYS[1], KEYS[2], KEYS[3], KEYS[4], id)",
             "state, entry = 'ready', ''"),
    Mutation("commit_idle_with_mail", "commit", "text(n), 'st', state,", "text(n), 'st', 'idle',"),
    Mutation("commit_no_ack", "commit", ACK, ""),
    Mutation("commit_deletes", "commit", ACK, ACK + "redis.call('XDEL', KEYS[1], s[4])\n"),
    Mutation("commit_trims_pending", "commit", "oldest and oldest[1] or s[4]", "'9999999999999'"),
    Mutation("commit_no_trim", "commit", "redis.call('XTRIM', KEYS[1], 'MINID', oldest and oldest[1] or s[4])", ""),
    Mutation("commit_ignores_cancel", "commit", "if cancelled and status ~= 'cancelled' and", "if false and"),
    Mutation("commit_next_ignores_cancel", "commit", "redis.call('HEXISTS', KEYS[2], 'x:' .. head) == 1", "false"),
    Mutation("commit_next_same_epoch", "commit", "math.max(tonumber(epoch) + 1, now)", "tonumber(epoch)"),
    Mutation("commit_next_keeps_attempts", "commit", "'att', 1, 'tok'", "'tok'"),
    Mutation("commit_keeps_draft", "commit", "redis.call('DEL', KEYS[6])\n", ""),
    Mutation("commit_keeps_flag", "commit", "if cancelled then redis.call('HDEL', KEYS[2], 'x:' .. turn) end", ""),
    Mutation("commit_loses_number", "commit", "redis.call('HSET', KEYS[2], 'n', text(n), 'st'",
             "redis.call('HSET', KEYS[2], 'st'"),
    Mutation("commit_stays_owner", "commit", "redis.call('SREM', KEYS[7], id)", ""),
    Mutation("commit_no_gap", "commit", "tonumber(ARGV[9]) > length", "false"),
    Mutation("commit_no_end", "commit", "for i = 9, #KEYS do\n  redis", "for i = 10, #KEYS do\n  redis"),
    Mutation("commit_end_before_fence", "commit", "local done = ",
             END_EARLY + "'o', ARGV[9], 'b', ARGV[10]) end\nlocal done = "),
    Mutation("commit_last_words_of_cancelled", "commit", "cancelled and '' or ARGV[10]", "ARGV[10]"),
    Mutation("commit_dead_stays", "commit", "redis.call('LPOP', KEYS[3])",
             "status == 'dead' and redis.call('LINDEX', KEYS[3], 0) or redis.call('LPOP', KEYS[3])"),
    Mutation("commit_no_dead_letter", "commit", "if status == 'dead' then", "if false then"),
    # append, cancel, follow
    Mutation("append_nodedup", "append", "if seen then", "if false then"),
    Mutation("append_loses_context", "append", "else redis.call('HSET', KEYS[7]",
             "else redis.call('HSET', KEYS[7] .. '?'"),
    Mutation("append_keeps_removed", "append", "redis.call('HDEL', KEYS[7], ARGV[i])", "redis.call('HLEN', KEYS[7])"),
    Mutation("append_restarts_numbers", "append", REVIVED, "'n', 0, 'ep', epoch, 'sv'"),
    Mutation("cancel_not_durable", "cancel", "redis.call('HSET', KEYS[1], 'x:' .. turn, 1)", ""),
    Mutation("cancel_early_forgotten", "cancel", "redis.call('SET', KEYS[4], 'x', 'EX', ARGV[4])\n", ""),
    Mutation("cancel_queued_as_running", "cancel", "if position > 1 or s[1] ~= 'running' then", "if false then"),
    Mutation("follow_unnoticed", "follow", "redis.call('HINCRBY', conv, 'sv', 1)", "redis.call('HLEN', conv)"),
    Mutation("follow_again_unnoticed", "follow", DROP_EXPIRED, ""),
    Mutation("follow_restarts_epochs", "follow", REVIVED, "'n', n, 'ep', 0, 'sv'"),
    # beat, reap, bury
    Mutation("beat_does_nothing", "beat", "redis.call('ZADD', KEYS[1], text(now + ARGV[2]), ARGV[1])", ""),
    Mutation("beat_miscounts", "beat", "return redis.call('SCARD', KEYS[2])", "return 0"),
    Mutation("reap_takes_live", "reap", "return not lease or tonumber(lease) <= now", "return true"),
    Mutation("reap_leaves_entry", "reap", "redis.call('XACK', KEYS[1], 'brain', s[3])\n", ""),
    Mutation("reap_stays_owner", "reap", "redis.call('SREM', KEYS[4], id)\n  return revive", "return revive"),
    Mutation("reap_takes_unread", "reap", "  return 'waiting'    ", "  return revive('unclaimed')    "),
    Mutation("reap_any_owner", "reap", "if s[2] ~= worker then return 'other' end", ""),
    Mutation("reap_gives_any_epoch", "reap", "if s[4] ~= ARGV[6] then return 'other' end", ""),
    Mutation("reap_refunds_always", "reap", "if ARGV[7] == '1' then", "if true then"),
    Mutation("reap_no_unclaimed", "reap", "pending[3] >= tonumber(ARGV[4]) or dead(pending[2])", "false"),
    Mutation("reap_acks_others", "reap", "if found and conversation_of(found[2]) ~= id then return 'other' end", ""),
    Mutation("bury_with_pending", "bury", "if #redis.call('XPENDING'", "if false and #redis.call('XPENDING'"),
    Mutation("bury_alive", "bury", "if lease and tonumber(lease) > now then return 0 end", ""),
    Mutation("bury_owner", "bury", "if redis.call('SCARD', KEYS[3]) > 0 then return 0 end", ""),
    Mutation("reap_tells_nothing", "reap", "    tried('lost its lease')\n", ""),
    Mutation("reap_tells_refunded", "reap",
             "else tried(ARGV[8] ~= '' and ARGV[8] or 'gave it back') end",
             "end tried(ARGV[8] ~= '' and ARGV[8] or 'gave it back')"),
    # replay, reject
    Mutation("replay_keeps_letter", "replay", "redis.call('XDEL', KEYS[9], ARGV[12])", ""),
    Mutation("replay_drops_refused", "replay", "if reply[1] == 'ok' or reply[1] == 'dup' then", "if true then"),
    Mutation("replay_gone_letter", "replay", "if #redis.call('XRANGE', KEYS[9], ARGV[12], ARGV[12]) == 0", "if false"),
    Mutation("replay_forgets_the_first", "replay", "if number then return", "if false then return"),
    Mutation("replay_full_mailbox", "replay", "if depth >= tonumber(ARGV[6])", "if false"),
    Mutation("replay_restarts_numbers", "replay", REVIVED, "'n', 0, 'ep', epoch, 'sv'"),
    Mutation("reject_twice", "reject", "== 0 then return 0 end", "== 2 then return 0 end"),
    Mutation("reject_not_acked", "reject", "redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])",
             "#redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)"),
    Mutation("reject_without_letter", "reject", "redis.call('XADD', KEYS[2]", "redis.call('XADD', KEYS[2] .. '?'"),
    # retire, trim
    Mutation("retire_busy", "retire", "if s[1] ~= 'idle' or", "if false and"),
    Mutation("retire_unarchived", "retire", "if tonumber(s[2]) > tonumber(ARGV[2]) then return 'behind' end", ""),
    Mutation("retire_restarts_epochs", "retire", "table.concat({ s[2], s[3], s[4] }, ' ')",
             "table.concat({ s[2], '0', s[4] }, ' ')"),
    Mutation("retire_forgets", "retire", "redis.call('HSET', KEYS[6]", "redis.call('HSETNX', KEYS[6] .. '?'"),
    Mutation("trim_unread", "trim", "oldest and oldest[1] or found[name]", "'9999999999999-0'"),
    Mutation("trim_unacked", "trim", "oldest and oldest[1] or found[name]", "found[name]"),
    Mutation("trim_fastest_group", "trim", "or before(limit, floor)", "or before(floor, limit)"),
    Mutation("trim_without_group", "trim", "elseif redis.call('SISMEMBER', KEYS[2], name) == 0 then",
             "elseif false then"),
    Mutation("trim_waits_for_dropped", "trim", "== 0 then\n    return { 'absent'", "~= 2 then\n    return { 'absent'"),
    Mutation("trim_dropped_for_ever", "trim", "redis.call('SREM', KEYS[2], name)", ""),
    # calls
    Mutation("take_call_steals", "call_take", "if not s[5] and live(s[3], s[4]) then return { 'held', epoch } end", ""),
    Mutation("take_call_not_repeatable", "call_take", "if s[5] or s[1] ~= ARGV[2] then", "if true then"),
    Mutation("take_call_same_epoch", "call_take", "math.max(epoch, tonumber(ARGV[5])) + 1", "math.max(epoch, 1)"),
    Mutation("take_call_forgets_takeovers", "call_take", "math.max(epoch, tonumber(ARGV[5])) + 1", "epoch + 1"),
    Mutation("take_call_back_into_its_end", "call_take", "if s[5] or s[1] ~= ARGV[2] then", "if s[1] ~= ARGV[2] then"),
    Mutation("take_call_expires", "call_take", "redis.call('PERSIST', call)", ""),
    Mutation("take_call_of_a_stepped_clock", "call_take", "left > 0 and left <= tonumber(ms)", "left > 0"),
    Mutation("renew_call_any_holder", "call_renew", "(s[3] or s[1] ~= ARGV[2])", "s[3]"),
    Mutation("renew_call_any_epoch", "call_renew", "known > epoch or ", ""),
    Mutation("renew_call_after_its_end", "call_renew", "(s[3] or s[1] ~= ARGV[2])", "s[1] ~= ARGV[2]"),
    Mutation("renew_call_stays_reserved", "call_renew", ", 'ru', 'rm', 'rt', 'n', 'nt')", ")"),
    Mutation("renew_call_unlisted", "call_renew", "  redis.call('ZADD', calls, text(now + ms), id)\n", ""),
    Mutation("end_call_held", "call_end", "live(s[3], s[4]) or epoch", "epoch"),
    Mutation("end_call_any_look", "call_end", " or epoch > 0 and known ~= epoch then return 0", " then return 0"),
    Mutation("end_call_any_holder", "call_end", "elseif known > epoch or known == epoch and s[1] ~= ARGV[2] then",
             "elseif false then"),
    Mutation("end_call_forgets_its_epoch", "call_end", "'ep', text(epoch), 'x', 1", "'ep', 0, 'x', 1"),
    Mutation("end_call_for_ever", "call_end", "redis.call('EXPIRE', KEYS[2], ARGV[4])\n", ""),
    Mutation("reserve_call_held", "call_reserve", "if live(s[3], s[4]) then", "if false then"),
    Mutation("reserve_call_twice", "call_reserve", "(ARGV[4] == '1' or live(s[6], s[7]))", "ARGV[4] == '1'"),
    Mutation("reserve_call_sends_unreserved", "call_reserve", "(ARGV[4] == '1' or live(s[6], s[7]))",
             "live(s[6], s[7])"),
    Mutation("reserve_call_not_repeatable", "call_reserve", "s[8] ~= ARGV[2] and (", "("),
    Mutation("reserve_call_counts_twice", "call_reserve", "ARGV[4] == '1' and s[10] ~= ARGV[2]", "ARGV[4] == '1'"),
    Mutation("reserve_call_not_put_off", "call_reserve",
             "redis.call('ZADD', KEYS[1], text(now + ARGV[3]), ARGV[1])", ""),
    Mutation("reserve_call_lists_the_gone", "call_reserve", "redis.call('ZREM', KEYS[1], ARGV[1])\n", ""),
    # recount
    Mutation("recount_forgets_unread", "recount", "stream['entries-added'] - unread", "stream['entries-added']"),
    Mutation("recount_leaves_it", "recount", "if counted ~= right then", "if false then"),
    Mutation("recount_moves_the_group", "recount", "ARGV[1], last, 'ENTRIESREAD'", "ARGV[1], '$', 'ENTRIESREAD'"),
)  # fmt: skip
