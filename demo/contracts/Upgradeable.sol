// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Two implementations for proxies of OpenZeppelin, and what replaces one by the other. For tests.
/// @dev Compiled at development time only; the proxies themselves come from npm.
contract BoxV1 {
    uint256 public value;

    function store(uint256 value_) external {
        value = value_;
    }
}

contract BoxV2 {
    uint256 public value;

    function store(uint256 value_) external {
        value = value_ * 2;
    }
}

/// @title Makes EIP-1167 clones, byte for byte as the standard spells them.
contract CloneMaker {
    event Made(address clone);

    function make(address target) external returns (address clone) {
        bytes memory code = abi.encodePacked(
            hex"3d602d80600a3d3981f3363d3d373d3d3d363d73", target, hex"5af43d82803e903d91602b57fd5bf3"
        );
        assembly {
            clone := create(0, add(code, 0x20), mload(code))
        }
        require(clone != address(0), "no clone");
        emit Made(clone);
    }
}

/// @title A proxy by EIP-1822: its implementation stands in a slot of that standard's own.
contract OldUups {
    constructor(address target) {
        bytes32 slot = keccak256("PROXIABLE");
        assembly {
            sstore(slot, target)
        }
    }

    function upgrade(address target) external {
        bytes32 slot = keccak256("PROXIABLE");
        assembly {
            sstore(slot, target)
        }
    }
}
