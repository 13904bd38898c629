package auth

import "strings"

// excludes tells why the policy alone rules a mechanism out, or RuleNone.
func (p *Policy) excludes(info Info, c Credentials) Rule {
	if len(p.Mechanisms) > 0 {
		for _, name := range p.Mechanisms {
			if strings.EqualFold(name, info.Name) {
				return RuleNone
			}
		}
		return RuleExcluded
	}
	return RuleNone
}
