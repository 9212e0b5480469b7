// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Tokens that real ones were odd like, each in one way. For tests.
/// @dev Source: EIP-20, and what deployed tokens do in place of it. Compiled at development time only.
abstract contract OddToken {
    uint256 public totalSupply;
    mapping(address => uint256) internal _held;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(uint256 supply) {
        totalSupply = supply;
        _held[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function balanceOf(address owner) public view virtual returns (uint256) {
        return _held[owner];
    }

    function transfer(address to, uint256 value) public virtual returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) internal {
        _held[from] -= value;
        _held[to] += value;
        emit Transfer(from, to, value);
    }
}

/// @title A name and decimals of one's choice: 0 or 255 decimals, ten thousand letters, markup.
contract NamedToken is OddToken {
    string public name;
    string public symbol;
    uint8 public immutable decimals;

    constructor(string memory name_, string memory symbol_, uint8 decimals_, uint256 supply) OddToken(supply) {
        name = name_;
        symbol = symbol_;
        decimals = decimals_;
    }
}

/// @title Without decimals, name or symbol.
contract BareToken is OddToken {
    constructor(uint256 supply) OddToken(supply) {}
}

/// @title Answers false and moves nothing, without reverting.
contract FalseToken is OddToken {
    uint8 public constant decimals = 6;

    constructor(uint256 supply) OddToken(supply) {}

    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @title Keeps one percent of each transfer.
contract FeeToken is OddToken {
    uint8 public constant decimals = 6;
    address public constant COLLECTOR = address(0xfee);

    constructor(uint256 supply) OddToken(supply) {}

    function transfer(address to, uint256 value) public override returns (bool) {
        uint256 fee = value / 100;
        _move(msg.sender, COLLECTOR, fee);
        _move(msg.sender, to, value - fee);
        return true;
    }
}

/// @title Balances that change without a transfer.
contract RebasingToken is OddToken {
    uint8 public constant decimals = 6;
    uint256 public perMille = 1000;

    constructor(uint256 supply) OddToken(supply) {}

    function rebase(uint256 perMille_) external {
        perMille = perMille_;
    }

    function balanceOf(address owner) public view override returns (uint256) {
        return (_held[owner] * perMille) / 1000;
    }
}

interface IReceiver {
    function tokensReceived(address from, uint256 value) external;
}

/// @title Calls its recipient in the middle of a transfer, as ERC-777 does.
contract CallbackToken is OddToken {
    uint8 public constant decimals = 6;

    constructor(uint256 supply) OddToken(supply) {}

    function transfer(address to, uint256 value) public override returns (bool) {
        if (to.code.length > 0) IReceiver(to).tokensReceived(msg.sender, value);
        _move(msg.sender, to, value);
        return true;
    }
}

/// @title Comes back into the token from its callback, once.
contract Reenterer is IReceiver {
    bool private _inside;

    function tokensReceived(address, uint256) external override {
        if (_inside) return;
        _inside = true;
        CallbackToken(msg.sender).transfer(address(this), 0);
        _inside = false;
    }
}

/// @title Says in its log that it moved what it did not move.
contract LyingToken is OddToken {
    uint8 public constant decimals = 6;

    constructor(uint256 supply) OddToken(supply) {}

    function transfer(address to, uint256 value) public override returns (bool) {
        emit Transfer(msg.sender, to, value);
        return true;
    }
}
